/* What the shim's files share. One translation unit: every function but those of interface.h is static. */
#ifndef HF_COMMON_H
#define HF_COMMON_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <pjsip.h>
#include <pjsip_ua.h>
#include <pjsip_simple.h>
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

typedef struct { const char *ctype; const char *headers; const char *body; int len; } hf_part;
typedef struct {                                                       /* see interface.h */
    int call, forwarded, reported;
    unsigned long rx, rx_lost, rx_bursts, tx, tx_lost, tx_of, tx_gaps;
    double rx_jitter_ms, tx_jitter_ms, rtt_ms, gap_s, hole_s, silent_s;
} hf_quality;

static int hf_on_request(const char *fields, int len);
static void hf_on_response(int token, int code, const char *reason);
static void hf_on_incoming(int acc, int call, const char *call_id);
static void hf_on_state(int call, int state, int code, const char *reason, int retry_after);
static void hf_on_media(int call, int active, int held_by_peer, const char *codec);
static void hf_on_refer(int call, const char *target, const char *user, const char *replaces);
static void hf_on_refer_status(int call, int code, int final);
static void hf_on_probe(int call, int code);
static void hf_on_wake(void);
static void hf_on_fax(int call, int what);

enum { HF_EV_DIGIT = 1, HF_EV_EOF = 2, HF_EV_LINE = 3 };
enum { HF_LINES = 4, HF_LEGS = PJSUA_MAX_CALLS + HF_LINES };             /* lines that are no calls (line.c) have the numbers above those of calls */
static void ev_push(int kind, int call, int a, int b);
void hf_wake(void);
void hf_stop(int call);
void hf_record_stop(int call);
static void sound_link(int call);
static void record_link(int call);
static int own_pool(pjmedia_port *port, pj_pool_t *pool);
static void media_learn(int call);
static void stats_forget(int call);
static void media_begins(int call);
static void fax_drop(int call);
int hf_call_refer_answer(int call, int code);

static int is_literal(const pj_str_t *host)
{
    pj_in_addr v4; pj_in6_addr v6;
    return host->slen > 0 && (pj_inet_pton(pj_AF_INET(), host, &v4) == PJ_SUCCESS || pj_inet_pton(pj_AF_INET6(), host, &v6) == PJ_SUCCESS);
}

/* pjsua walks the RTP ports from where the account's last call stood and gives up after 100 taken ones. Accounts share the range, as do boxes side by
   side, so a busy stretch could cost a call, an emergency call even: start anew at a random place for every call. */
static void spread_rtp_ports(int acc) { if (acc >= 0 && acc < PJSUA_MAX_ACC) pjsua_var.acc[acc].next_rtp_port = 0; }

/* "Name: value\n…" -> headers at the end of a list */
static void add_headers(pj_pool_t *pool, pjsip_hdr *list, const char *text)
{
    while (text && *text) {
        const char *end = strchr(text, '\n'), *colon = strchr(text, ':');
        size_t n = end ? (size_t)(end - text) : strlen(text);
        if (colon && colon < text + n) {
            pj_str_t raw_name = { (char*)text, colon - text }, raw_value, name, value;
            const char *v = colon + 1;
            while (v < text + n && *v == ' ') v++;
            raw_value.ptr = (char*)v; raw_value.slen = text + n - v;
            pj_strdup(pool, &name, &raw_name); pj_strdup(pool, &value, &raw_value);
            pj_list_push_back(list, pjsip_generic_string_hdr_create(pool, &name, &value));
        }
        text += n; if (*text == '\n') text++;
    }
}

/* "type/subtype;name=value" into `m`, never by value: the parameter list's head points to itself */
static void media_type(pj_pool_t *pool, const char *text, pjsip_media_type *m)
{
    const char *slash = strchr(text, '/'), *semi = strchr(text, ';'), *equals;
    pj_str_t t = { (char*)text, slash ? slash - text : (pj_ssize_t)strlen(text) }, s = { "", 0 };
    if (slash) { s.ptr = (char*)slash + 1; s.slen = semi ? semi - slash - 1 : (pj_ssize_t)strlen(slash + 1); }
    pjsip_media_type_init(m, NULL, NULL);
    pj_strdup(pool, &m->type, &t); pj_strdup(pool, &m->subtype, &s);
    for (; semi && (equals = strchr(semi, '=')) != NULL; semi = strchr(equals, ';')) {
        pjsip_param *p = PJ_POOL_ZALLOC_T(pool, pjsip_param); pj_str_t name = { (char*)semi + 1, equals - semi - 1 }, value = { (char*)equals + 1, strcspn(equals + 1, ";") };
        pj_strtrim(&name);
        pj_strdup(pool, &p->name, &name); pj_strdup(pool, &p->value, &value);
        pj_list_push_back(&m->param, p);
    }
}
static pjsip_msg_body *body_of(pj_pool_t *pool, const char *ctype, const char *body, int len)
{
    pjsip_media_type m; pj_str_t raw = { (char*)body, len }; pjsip_msg_body *b;
    media_type(pool, ctype, &m);
    b = pjsip_msg_body_create(pool, &m.type, &m.subtype, &raw);
    if (b) pjsip_media_type_cp(pool, &b->content_type, &m);
    return b;
}


enum { HF_ANSWERED = -1, HF_HELD = -2, HF_DROP = -3, HF_EMERGENCY = 65536 };
#endif
