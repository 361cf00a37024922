/* pjsip's resolver, replaced: IP literals pass, names come from a table filled from outside, unknown names fail at once. Nothing waits. */
#include "common.h"

enum { NAMES = 512 };
static struct { char host[256]; pj_sockaddr addr; int used; } names[NAMES];
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;

void hf_name_set(const char *host, const char *ip)
{
    int i, free_at = -1; pj_str_t s = pj_str((char*)ip); pj_sockaddr a;
    int ok = *ip && pj_sockaddr_parse(pj_AF_UNSPEC(), 0, &s, &a) == PJ_SUCCESS;
    pthread_mutex_lock(&names_lock);
    for (i = 0; i < NAMES; i++) {
        if (names[i].used && !strcasecmp(names[i].host, host)) { free_at = i; break; }
        if (!names[i].used && free_at < 0) free_at = i;
    }
    if (free_at >= 0) {
        names[free_at].used = ok;
        if (ok) { snprintf(names[free_at].host, sizeof names[free_at].host, "%s", host); pj_sockaddr_cp(&names[free_at].addr, &a); }
    }
    pthread_mutex_unlock(&names_lock);
}

static int name_find(const pj_str_t *host, pj_sockaddr *out)
{
    int i, found = 0;
    pthread_mutex_lock(&names_lock);
    for (i = 0; i < NAMES && !found; i++)
        if (names[i].used && (pj_ssize_t)strlen(names[i].host) == host->slen && !strncasecmp(names[i].host, host->ptr, host->slen)) { pj_sockaddr_cp(out, &names[i].addr); found = 1; }
    pthread_mutex_unlock(&names_lock);
    return found;
}

static void names_resolve(pjsip_resolver_t *r, pj_pool_t *pool, const pjsip_host_info *target, void *token, pjsip_resolver_callback *cb)
{
    pjsip_server_addresses out; pj_sockaddr a; int type = target->type; unsigned port = target->addr.port;
    PJ_UNUSED_ARG(r); PJ_UNUSED_ARG(pool);
    pj_bzero(&out, sizeof out);
    if (type == PJSIP_TRANSPORT_UNSPECIFIED)
        type = target->flag & PJSIP_TRANSPORT_SECURE ? PJSIP_TRANSPORT_TLS : target->flag & PJSIP_TRANSPORT_RELIABLE ? PJSIP_TRANSPORT_TCP : PJSIP_TRANSPORT_UDP;
    if (is_literal(&target->addr.host)) {
        if (pj_sockaddr_parse(pj_AF_UNSPEC(), 0, &target->addr.host, &a) != PJ_SUCCESS) { (*cb)(PJ_ERESOLVE, token, &out); return; }
    } else if (!name_find(&target->addr.host, &a)) { (*cb)(PJ_ERESOLVE, token, &out); return; }
    type = a.addr.sa_family == pj_AF_INET6() ? type | PJSIP_TRANSPORT_IPV6 : type & ~PJSIP_TRANSPORT_IPV6;
    if (!port) port = pjsip_transport_get_default_port_for_type(type);
    pj_sockaddr_set_port(&a, (pj_uint16_t)port);
    out.count = 1;
    pj_sockaddr_cp(&out.entry[0].addr, &a);
    out.entry[0].addr_len = pj_sockaddr_get_len(&a);
    out.entry[0].name = target->addr.host;
    out.entry[0].type = type;
    (*cb)(PJ_SUCCESS, token, &out);
}
static pjsip_ext_resolver names_resolver = { &names_resolve };
