/* Every out-of-dialog request passes here before pjsua: fields to Python, the answer back. Also puts right what pjsip answers wrongly, and
   rewrites names in Contact and SDP to addresses so that nothing later asks a resolver. */
#include "common.h"

static pjsip_rx_data *cur;                 /* the request being decided */
static int cur_answered;
static unsigned long refused_here;
static unsigned char lan_acc[PJSUA_MAX_ACC];
static int next_acc = -1;                  /* verdict on its way to on_acc_find_for_incoming */

enum { FIELDS_MAX = 24000 };
static char fbuf[FIELDS_MAX]; static int flen;
#define SEP '\x1e'

static void f_raw(const char *p, pj_ssize_t n)
{
    pj_ssize_t i;
    if (n > FIELDS_MAX - flen - 2) n = FIELDS_MAX - flen - 2;
    for (i = 0; i < n; i++) fbuf[flen++] = p[i] == SEP || p[i] == 0 ? '?' : p[i];
    if (flen < FIELDS_MAX - 1) fbuf[flen++] = SEP;
}
static void f_str(const pj_str_t *s) { f_raw(s->ptr, s->slen); }
static void f_c(const char *s) { f_raw(s, strlen(s)); }
static void f_int(long v) { char b[24]; f_raw(b, snprintf(b, sizeof b, "%ld", v)); }
static void f_uri(pjsip_uri_context_e ctx, const void *uri)
{
    char b[PJSIP_MAX_URL_SIZE * 4]; int n = uri ? pjsip_uri_print(ctx, uri, b, sizeof b) : 0;
    f_raw(b, n > 0 ? n : 0);
}
/* scheme, user, host of any URI; a tel: number or a urn: rest stands as user */
static void uri_parts(const pjsip_uri *any, pj_str_t *scheme, pj_str_t *user, pj_str_t *host)
{
    static const pj_str_t none = { "", 0 }; const pjsip_uri *u = any ? pjsip_uri_get_uri((void*)any) : NULL;
    *scheme = *user = *host = none;
    if (!u) return;
    *scheme = *pjsip_uri_get_scheme(u);
    if (PJSIP_URI_SCHEME_IS_SIP(u) || PJSIP_URI_SCHEME_IS_SIPS(u)) { *user = ((pjsip_sip_uri*)u)->user; *host = ((pjsip_sip_uri*)u)->host; }
    else if (PJSIP_URI_SCHEME_IS_TEL(u)) *user = ((pjsip_tel_uri*)u)->number;
    else *user = ((pjsip_other_uri*)u)->content;
}
static const char *tp_name(pjsip_transport *tp) { int k = tp_kind(tp); return k == 1 ? "tcp" : k == 2 ? "tls" : "udp"; }

static void f_contacts(pjsip_msg *msg)
{
    pjsip_contact_hdr *c = NULL; int n = 0, star = 0; pjsip_param *p; char b[512]; void *next = NULL;
    while ((c = pjsip_msg_find_hdr(msg, PJSIP_H_CONTACT, next)) != NULL) { if (c->star) star = 1; else n++; next = c->next; if (next == &msg->hdr) break; }
    f_int(star); f_int(n > 32 ? 33 : n);
    next = NULL; n = 0;
    while (n < 32 && (c = pjsip_msg_find_hdr(msg, PJSIP_H_CONTACT, next)) != NULL) {
        next = c->next;
        if (!c->star) {
            int len = 0; n++;
            f_uri(PJSIP_URI_IN_CONTACT_HDR, pjsip_uri_get_uri(c->uri));
            f_int(c->q1000); f_int(c->expires == PJSIP_EXPIRES_NOT_SPECIFIED ? -1 : c->expires > 0x7fffffff ? 0x7fffffff : (long)c->expires);
            b[0] = 0;
            for (p = c->other_param.next; p != &c->other_param && len < (int)sizeof b - 1; p = p->next)
                len += snprintf(b + len, sizeof b - len, ";%.*s%s%.*s", (int)p->name.slen, p->name.ptr, p->value.slen ? "=" : "", (int)p->value.slen, p->value.ptr);
            f_c(b);
        }
        if (next == &msg->hdr) break;
    }
}
static void f_credentials(pjsip_msg *msg)
{
    pjsip_authorization_hdr *a; void *next = NULL; int n = 0, i; pjsip_authorization_hdr *list[4]; static const pj_str_t digest = { "Digest", 6 };
    while (n < 4 && (a = pjsip_msg_find_hdr(msg, PJSIP_H_AUTHORIZATION, next)) != NULL) { if (!pj_stricmp(&a->scheme, &digest)) list[n++] = a; next = a->next; if (next == &msg->hdr) break; }
    next = NULL;
    while (n < 4 && (a = pjsip_msg_find_hdr(msg, PJSIP_H_PROXY_AUTHORIZATION, next)) != NULL) { if (!pj_stricmp(&a->scheme, &digest)) list[n++] = a; next = a->next; if (next == &msg->hdr) break; }
    f_int(n);
    for (i = 0; i < n; i++) {
        pjsip_digest_credential *d = &list[i]->credential.digest;
        f_str(&d->username); f_str(&d->realm); f_str(&d->nonce); f_str(&d->uri); f_str(&d->response);
        f_str(&d->algorithm); f_str(&d->cnonce); f_str(&d->nc); f_str(&d->qop); f_str(&d->opaque);
    }
}

/* the fields of one request, in the order endpoint.py reads them */
static void fields_of(pjsip_rx_data *rd)
{
    pjsip_msg *m = rd->msg_info.msg; pj_str_t sc, us, ho; char local[PJ_INET6_ADDRSTRLEN + 8];
    static const pj_str_t ua_name = { "User-Agent", 10 }; pjsip_generic_string_hdr *ua; pjsip_expires_hdr *e;
    flen = 0;
    f_str(&m->line.req.method.name);
    f_uri(PJSIP_URI_IN_REQ_URI, m->line.req.uri);
    uri_parts(m->line.req.uri, &sc, &us, &ho); f_str(&sc); f_str(&us); f_str(&ho);
    f_uri(PJSIP_URI_IN_FROMTO_HDR, rd->msg_info.from->uri);
    uri_parts(rd->msg_info.from->uri, &sc, &us, &ho); f_str(&us); f_str(&ho); f_str(&rd->msg_info.from->tag);
    f_uri(PJSIP_URI_IN_FROMTO_HDR, rd->msg_info.to->uri);
    uri_parts(rd->msg_info.to->uri, &sc, &us, &ho); f_str(&us); f_str(&ho);
    f_str(&rd->msg_info.cid->id); f_int(rd->msg_info.cseq->cseq); f_str(&rd->msg_info.via->branch_param);
    f_c(rd->pkt_info.src_name); f_int(rd->pkt_info.src_port); f_c(tp_name(rd->tp_info.transport));
    pj_sockaddr_print(&rd->tp_info.transport->local_addr, local, sizeof local, 0);
    f_c(local); f_int(pj_sockaddr_get_port(&rd->tp_info.transport->local_addr));
    e = pjsip_msg_find_hdr(m, PJSIP_H_EXPIRES, NULL);
    f_int(e ? (e->ivalue > 0x7fffffff ? 0x7fffffff : (long)e->ivalue) : -1);
    ua = pjsip_msg_find_hdr_by_name(m, &ua_name, NULL);
    if (ua) f_str(&ua->hvalue); else f_c("");
    f_contacts(m); f_credentials(m);
    f_str(&rd->msg_info.to->tag);
    if (flen && fbuf[flen - 1] == SEP) flen--;
}

/* ---- names to addresses, before anyone can want to resolve them */

static void fix_sdp(pjsip_rx_data *rd)
{
    pjsip_rdata_sdp_info *info; unsigned i; pjmedia_sdp_conn *c; pj_str_t src = { rd->pkt_info.src_name, 0 };
    if (!rd->msg_info.msg->body) return;
    info = pjsip_rdata_get_sdp_info(rd);
    if (!info || !info->sdp) return;
    src.slen = strlen(rd->pkt_info.src_name);
    for (i = 0; i <= info->sdp->media_count; i++) {
        c = i ? info->sdp->media[i - 1]->conn : info->sdp->conn;
        /* a name, or an address of the family this leg does not speak; symmetric RTP takes over from the packet's source as soon as sound arrives */
        if (c && (!is_literal(&c->addr) || !memchr(c->addr.ptr, ':', c->addr.slen) != !strchr(rd->pkt_info.src_name, ':'))) { pj_strdup(rd->tp_info.pool, &c->addr, &src); c->addr_type = pj_str(strchr(rd->pkt_info.src_name, ':') ? "IP6" : "IP4"); }
        /* the family is what the address is, whatever the line says: else it would be looked up like a name */
        else if (c) c->addr_type = pj_str(memchr(c->addr.ptr, ':', c->addr.slen) ? "IP6" : "IP4");
    }
    for (i = 0; i < info->sdp->media_count; i++) {
        /* a=rtcp may carry a name or an address, too (RFC 3605): without it RTCP goes to the next port */
        pjmedia_sdp_media *m = info->sdp->media[i]; pjmedia_sdp_attr *a = pjmedia_sdp_media_find_attr2(m, "rtcp", NULL); pjmedia_sdp_rtcp_attr rtcp;
        c = m->conn ? m->conn : info->sdp->conn;
        if (a && (pjmedia_sdp_attr_get_rtcp(a, &rtcp) != PJ_SUCCESS
                  || (rtcp.addr.slen && (!is_literal(&rtcp.addr) || !c || !memchr(rtcp.addr.ptr, ':', rtcp.addr.slen) != !memchr(c->addr.ptr, ':', c->addr.slen)))))
            pjmedia_sdp_attr_remove_all(&m->attr_count, m->attr, "rtcp");
    }
}

static void host_to_source(pjsip_rx_data *rd, pjsip_sip_uri *u)
{
    int kind = tp_kind(rd->tp_info.transport);
    pj_strdup2(rd->tp_info.pool, &u->host, rd->pkt_info.src_name);
    u->port = rd->pkt_info.src_port;
    if (kind && !u->transport_param.slen) u->transport_param = pj_str(kind == 1 ? "tcp" : "tls");
}

/* A Contact or Record-Route that names a host, or a phone's private address behind a router: the source address is where it can be reached. */
static void fix_contact(pjsip_rx_data *rd, int behind_nat)
{
    pjsip_msg *m = rd->msg_info.msg; pjsip_contact_hdr *c = pjsip_msg_find_hdr(m, PJSIP_H_CONTACT, NULL); pjsip_rr_hdr *rr = NULL; int routed = 0; pj_sockaddr a;
    while ((rr = pjsip_msg_find_hdr(m, PJSIP_H_RECORD_ROUTE, rr)) != NULL) {
        pjsip_sip_uri *u = pjsip_uri_get_uri(rr->name_addr.uri);
        routed = 1;
        if (PJSIP_URI_SCHEME_IS_SIP(u) && !is_literal(&u->host) && !name_find(&u->host, &a)) host_to_source(rd, u);
        rr = rr->next; if ((void*)rr == (void*)&m->hdr) break;
    }
    if (c && !c->star && c->uri) {
        pjsip_sip_uri *u = pjsip_uri_get_uri(c->uri);
        if (!PJSIP_URI_SCHEME_IS_SIP(u) && !PJSIP_URI_SCHEME_IS_SIPS(u)) return;
        if (!is_literal(&u->host) ? !name_find(&u->host, &a) || !routed : behind_nat && !routed && pj_stricmp2(&u->host, rd->pkt_info.src_name)) host_to_source(rd, u);
    }
}
static int request_behind_nat(pjsip_rx_data *rd)
{
    pjsip_via_hdr *via = rd->msg_info.via; pjsip_via_hdr *second = (pjsip_via_hdr*)via->next;
    second = pjsip_msg_find_hdr(rd->msg_info.msg, PJSIP_H_VIA, second);
    return !second && pj_stricmp2(&via->sent_by.host, rd->pkt_info.src_name) != 0;
}
static pjsua_call *call_of(pjsip_dialog *dlg)
{
    return dlg ? (pjsua_call*)dlg->mod_data[pjsua_var.mod.id] : NULL;
}

/* ---- answers */

static void reply_to(pjsip_rx_data *rd, int code, const char *reason, const char *headers)
{
    pjsip_hdr list; pj_str_t r = pj_str((char*)(reason && *reason ? reason : ""));
    pj_list_init(&list);
    add_headers(rd->tp_info.pool, &list, headers);
    pjsip_endpt_respond_stateless(pjsua_get_pjsip_endpt(), rd, code, r.slen ? &r : NULL, pj_list_empty(&list) ? NULL : &list, NULL);
}
void hf_reply(int code, const char *reason, const char *headers, const char *to_tag)
{
    if (!cur || cur_answered) return;
    cur_answered = 1;
    /* what opens a dialog of ours has a tag of ours; the answer copies it from the request */
    if (*to_tag && !cur->msg_info.to->tag.slen) pj_strdup2(cur->tp_info.pool, &cur->msg_info.to->tag, to_tag);
    if (cur->msg_info.msg->line.req.method.id != PJSIP_ACK_METHOD) reply_to(cur, code, reason, headers);
}

static pjsip_hdr *hdr_nth(pjsip_msg *m, const char *name, int index)
{
    pj_str_t n = pj_str((char*)name); pjsip_hdr *h = pjsip_msg_find_hdr_by_name(m, &n, NULL);
    while (h && index--) h = h->next == &m->hdr ? NULL : pjsip_msg_find_hdr_by_name(m, &n, h->next);
    return h;
}
static pjsip_hdr *hdr_named(pjsip_msg *m, const char *name) { return hdr_nth(m, name, 0); }
static void drop_headers(pjsip_msg *m, const char *name)
{
    pjsip_hdr *h;
    while ((h = hdr_named(m, name)) != NULL) pj_list_erase(h);
}

int hf_request_header(const char *name, int index, char *out, int len)
{
    pjsip_hdr *h; char b[2048]; int n; char *v;
    if (!cur || !(h = hdr_nth(cur->msg_info.msg, name, index))) return -1;
    n = pjsip_hdr_print_on(h, b, sizeof b - 1);
    if (n < 0) return -1;
    b[n] = 0; v = strchr(b, ':'); v = v ? v + 1 : b;
    while (*v == ' ') v++;
    return snprintf(out, len, "%s", v);
}

int hf_request_codecs(char *out, int len)
{
    pjsip_rdata_sdp_info *info; unsigned i, j; int n = 0;
    if (!cur || !cur->msg_info.msg->body || !(info = pjsip_rdata_get_sdp_info(cur)) || !info->sdp) return 0;
    out[0] = 0;
    for (i = 0; i < info->sdp->media_count; i++) {
        pjmedia_sdp_media *m = info->sdp->media[i];
        if (pj_stricmp2(&m->desc.media, "audio")) continue;
        for (j = 0; j < m->desc.fmt_count && n < len - 24; j++) {
            pjmedia_sdp_attr *a = pjmedia_sdp_media_find_attr2(m, "rtpmap", &m->desc.fmt[j]); pjmedia_sdp_rtpmap map; long pt = pj_strtol(&m->desc.fmt[j]); int k;
            const char *fixed = pt == 0 ? "pcmu" : pt == 8 ? "pcma" : pt == 9 ? "g722" : NULL;
            if (a && pjmedia_sdp_attr_get_rtpmap(a, &map) == PJ_SUCCESS) {
                if (map.enc_name.slen > 15) continue;
                n += snprintf(out + n, len - n, "%s%.*s", n ? "," : "", (int)map.enc_name.slen, map.enc_name.ptr);
                for (k = n - (int)map.enc_name.slen; k < n; k++) out[k] = (char)tolower((unsigned char)out[k]);
            } else if (fixed) n += snprintf(out + n, len - n, "%s%s", n ? "," : "", fixed);
        }
        break;
    }
    return n;
}

int hf_request_part(const char *ctype, char *out, int len)
{
    pjsip_media_type t; pjsip_multipart_part *p; pjsip_msg_body *b; int n;
    if (!cur || !(b = cur->msg_info.msg->body)) return -1;
    media_type(cur->tp_info.pool, ctype, &t);
    if (!pj_stricmp2(&b->content_type.type, "multipart")) { p = pjsip_multipart_find_part(b, &t, NULL); if (!p) return -1; b = p->body; }
    else if (pjsip_media_type_cmp(&b->content_type, &t, 0)) return -1;
    n = (int)b->len < len ? (int)b->len : len;
    memcpy(out, b->data, n);
    return n;
}

int hf_request_body(char *out, int len)
{
    pjsip_msg_body *b = cur ? cur->msg_info.msg->body : NULL;
    if (!b || !b->data || !pj_stricmp2(&b->content_type.type, "multipart")) return -1;
    memcpy(out, b->data, PJ_MIN((int)b->len, len));
    return (int)b->len;
}

/* ---- hold and answer later */

enum { HELD_MAX = 256 };
static pjsip_rx_data *held[HELD_MAX];
int hf_hold(void)
{
    int i;
    for (i = 0; cur && i < HELD_MAX; i++)
        if (!held[i]) return pjsip_rx_data_clone(cur, 0, &held[i]) == PJ_SUCCESS ? i : (held[i] = NULL, -1);
    return -1;
}
static int is_held(pjsip_rx_data *rd)       /* a retransmission of what already waits */
{
    int i;
    for (i = 0; i < HELD_MAX; i++)
        if (held[i] && !pj_strcmp(&held[i]->msg_info.via->branch_param, &rd->msg_info.via->branch_param) && !pj_strcmp(&held[i]->msg_info.cid->id, &rd->msg_info.cid->id)) return 1;
    return 0;
}
static void held_free(int i) { pjsip_rx_data *rd = held[i]; held[i] = NULL; pjsip_rx_data_free_cloned(rd); }
int hf_held_reply(int i, int code, const char *reason, const char *headers)
{
    if (i < 0 || i >= HELD_MAX || !held[i]) return -1;
    reply_to(held[i], code, reason, headers);
    held_free(i);
    return 0;
}

/* ---- the module */

/* could pjsua answer this stream? One it could not would cost the whole INVITE a 488 */
static int usable_audio(const pjmedia_sdp_session *sdp, pjmedia_sdp_media *m, int acc)
{
    static const char *known[] = { "PCMU", "PCMA", "G722", "opus" }; unsigned i, k;
    if (pj_stricmp2(&m->desc.media, "audio") || !m->desc.port || !(m->conn || sdp->conn) || pj_strncmp2(&m->desc.transport, "RTP/", 4)) return 0;
    /* secured where the account does not take it */
    if (pj_strnicmp2(&m->desc.transport, "RTP/SAVP", 8) == 0 && pjsua_acc_is_valid(acc) && pjsua_var.acc[acc].cfg.use_srtp == PJMEDIA_SRTP_DISABLED) return 0;
    /* secured without a key anywhere */
    if (pj_strnicmp2(&m->desc.transport, "RTP/SAVP", 8) == 0 && !pjmedia_sdp_media_find_attr2(m, "crypto", NULL) && !pjmedia_sdp_media_find_attr2(m, "fingerprint", NULL)
        && !pjmedia_sdp_attr_find2(sdp->attr_count, sdp->attr, "fingerprint", NULL)) return 0;
    for (i = 0; i < m->desc.fmt_count; i++) {
        pjmedia_sdp_attr *a = pjmedia_sdp_media_find_attr2(m, "rtpmap", &m->desc.fmt[i]); pjmedia_sdp_rtpmap map; long pt = pj_strtol(&m->desc.fmt[i]);
        if (a && pjmedia_sdp_attr_get_rtpmap(a, &map) == PJ_SUCCESS) {
            for (k = 0; k < PJ_ARRAY_SIZE(known); k++) if (!pj_stricmp2(&map.enc_name, known[k])) return 1;
        } else if (pt == 0 || pt == 8 || pt == 9) return 1;
    }
    return 0;
}

static void ready_emergency(pjsip_rx_data *rd, int acc)
{
    pjsip_msg *m = rd->msg_info.msg; pjsip_rdata_sdp_info *info; unsigned i; int audio = 0; pjsip_hdr *h;
    /* nothing in the request may stop the call: unknown extensions, a Contact left out, SDP that cannot be used (the 200 then carries our offer) */
    drop_headers(m, "Require"); drop_headers(m, "Proxy-Require");
    rd->msg_info.require = NULL;
    /* a session timer below 90 s would be refused (422) */
    drop_headers(m, "Session-Expires"); drop_headers(m, "x"); drop_headers(m, "Min-SE");
    /* sips: demands TLS to the end of the way; nobody is told to find a securer line first */
    if (PJSIP_URI_SCHEME_IS_SIPS(m->line.req.uri)) pjsip_sip_uri_set_secure(pjsip_uri_get_uri(m->line.req.uri), PJ_FALSE);
    h = pjsip_msg_find_hdr(m, PJSIP_H_CONTACT, NULL);
    if (h && tp_kind(rd->tp_info.transport) != 2 && !((pjsip_contact_hdr*)h)->star && ((pjsip_contact_hdr*)h)->uri && PJSIP_URI_SCHEME_IS_SIPS(((pjsip_contact_hdr*)h)->uri))
        pjsip_sip_uri_set_secure(pjsip_uri_get_uri(((pjsip_contact_hdr*)h)->uri), PJ_FALSE);
    if (!h || ((pjsip_contact_hdr*)h)->star || !((pjsip_contact_hdr*)h)->uri
        || (!PJSIP_URI_SCHEME_IS_SIP(((pjsip_contact_hdr*)h)->uri) && !PJSIP_URI_SCHEME_IS_SIPS(((pjsip_contact_hdr*)h)->uri))) {
        pjsip_contact_hdr *c = pjsip_contact_hdr_create(rd->tp_info.pool); char b[128]; pj_str_t u;
        if (h) pj_list_erase(h);
        snprintf(b, sizeof b, strchr(rd->pkt_info.src_name, ':') ? "sip:[%s]:%d" : "sip:%s:%d", rd->pkt_info.src_name, rd->pkt_info.src_port);
        pj_strdup2_with_null(rd->tp_info.pool, &u, b);
        c->uri = pjsip_parse_uri(rd->tp_info.pool, u.ptr, u.slen, PJSIP_PARSE_URI_AS_NAMEADDR);
        pj_list_push_back(&m->hdr, c);
    }
    if (m->body) {
        info = pjsip_rdata_get_sdp_info(rd);
        if (info && info->sdp && info->sdp_err == PJ_SUCCESS)
            for (i = 0; i < info->sdp->media_count; i++)
                if (usable_audio(info->sdp, info->sdp->media[i], acc)) audio = 1;
        if (!audio) { m->body = NULL; rd->endpt_info.mod_data[pjsip_inv_usage_instance()->id] = NULL; }
    }
}

static pj_bool_t pass_on(pjsip_rx_data *rd, int verdict)
{
    if (verdict & HF_EMERGENCY) ready_emergency(rd, verdict & 0xffff);
    /* Replaces is the session's business: pjsua would swap dialogs by itself */
    if (rd->msg_info.msg->line.req.method.id == PJSIP_INVITE_METHOD) drop_headers(rd->msg_info.msg, "Replaces");
    next_acc = verdict & 0xffff;
    spread_rtp_ports(next_acc);
    return PJ_FALSE;
}

static int known_method(const pjsip_method *m)
{
    static const char *names[] = { "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "REFER", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH", "UPDATE", "PRACK" };
    unsigned i;
    for (i = 0; i < PJ_ARRAY_SIZE(names); i++) if (!pj_strcmp2(&m->name, names[i])) return 1;
    return 0;
}
#define ALLOW "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, INFO, REFER, SUBSCRIBE, NOTIFY, MESSAGE, UPDATE, PRACK\n"

/* what pjsip lets through and RFC 3261 does not: status, or 0 */
static int faulty(pjsip_rx_data *rd, const char **reason, const char **headers)
{
    pjsip_msg *m = rd->msg_info.msg; pjsip_clen_hdr *cl = rd->msg_info.clen; const char *body; static char unsupported[300];
    *headers = NULL;
    if (!known_method(&m->line.req.method)) { *reason = "Method not implemented"; *headers = ALLOW; return 501; }
    if (pj_strcmp(&rd->msg_info.cseq->method.name, &m->line.req.method.name)) { *reason = "CSeq method does not match the request"; return 400; }
    if (cl && cl->len >= 0 && tp_kind(rd->tp_info.transport) == 0) {
        body = strstr(rd->msg_info.msg_buf, "\r\n\r\n");
        if (body && cl->len > rd->msg_info.len - (int)(body + 4 - rd->msg_info.msg_buf)) { *reason = "Content-Length is longer than the message"; return 400; }
    }
    if (rd->msg_info.max_fwd && rd->msg_info.max_fwd->ivalue == 0) return *reason = "Too many hops", 483;
    if (rd->msg_info.require) {
        static const char *ours[] = { "100rel", "timer", "replaces", "norefersub", "gruu", "outbound", "path" }; unsigned i, j, ok;
        for (i = 0; i < rd->msg_info.require->count; i++) {
            for (ok = j = 0; j < PJ_ARRAY_SIZE(ours); j++) ok |= !pj_stricmp2(&rd->msg_info.require->values[i], ours[j]);
            if (!ok) {
                snprintf(unsupported, sizeof unsupported, "Unsupported: %.*s\n", (int)(rd->msg_info.require->values[i].slen > 250 ? 250 : rd->msg_info.require->values[i].slen), rd->msg_info.require->values[i].ptr);
                *reason = "Extension not supported"; *headers = unsupported; return 420;
            }
        }
    }
    return 0;
}

static pj_bool_t refer_in_dialog(pjsip_rx_data *rd), digit_in_dialog(pjsip_rx_data *rd), fax_in_dialog(pjsip_rx_data *rd);

/* Requests inside a dialog that pjsip knows nothing of, or would take and lose: a subscription's refresh, and a text in the middle of a call. */
static int ours_to_decide(pjsip_rx_data *rd)
{
    const pj_str_t *name = &rd->msg_info.msg->line.req.method.name;
    return !pj_strcmp2(name, "MESSAGE")
           || (!pj_strcmp2(name, "SUBSCRIBE") && !pjsip_ua_find_dialog(&rd->msg_info.cid->id, &rd->msg_info.to->tag, &rd->msg_info.from->tag, PJ_FALSE));
}

static pj_bool_t on_rx(pjsip_rx_data *rd)
{
    pjsip_msg *m = rd->msg_info.msg; int method = m->line.req.method.id, verdict, code; const char *reason = "", *headers = NULL;
    fix_contact(rd, request_behind_nat(rd));
    if (rd->msg_info.to->tag.slen && !ours_to_decide(rd)) {              /* inside a dialog */
        if (method == PJSIP_ACK_METHOD || method == PJSIP_CANCEL_METHOD) { fix_sdp(rd); return method == PJSIP_ACK_METHOD && fax_in_dialog(rd); }
        if (!known_method(&m->line.req.method) || pj_strcmp(&rd->msg_info.cseq->method.name, &m->line.req.method.name)) {
            code = faulty(rd, &reason, &headers);
            if (code) { refused_here++; reply_to(rd, code, reason, headers); return PJ_TRUE; }
        }
        fix_sdp(rd);
        return method == PJSIP_INVITE_METHOD ? fax_in_dialog(rd) : refer_in_dialog(rd) || digit_in_dialog(rd);
    }
    if (method == PJSIP_CANCEL_METHOD) return PJ_FALSE;                  /* the transaction layer knows its INVITE */
    if (method == PJSIP_ACK_METHOD) return PJ_TRUE;                      /* of a stateless refusal */
    if (is_held(rd)) return PJ_TRUE;
    fix_sdp(rd);
    fields_of(rd);
    cur = rd; cur_answered = 0;
    code = faulty(rd, &reason, &headers);
    if (code && method != PJSIP_INVITE_METHOD) { refused_here++; cur = NULL; reply_to(rd, code, reason, headers); return PJ_TRUE; }
    /* an INVITE is decided even when faulty: an emergency call goes out all the same */
    verdict = hf_on_request(fbuf, flen);
    if (verdict >= 0 && code && !(verdict & HF_EMERGENCY)) { refused_here++; cur = NULL; reply_to(rd, code, reason, headers); return PJ_TRUE; }
    cur = verdict >= 0 ? rd : NULL;
    if (verdict < 0) return PJ_TRUE;
    return pass_on(rd, verdict);
}
int hf_held_pass(int i, int verdict)
{
    pjsip_rx_data *rd; pjsip_process_rdata_param p; pj_bool_t handled = PJ_FALSE;
    if (i < 0 || i >= HELD_MAX || !(rd = held[i])) return -1;
    held[i] = NULL;
    pass_on(rd, verdict);
    cur = rd;
    pjsip_process_rdata_param_default(&p);
    p.start_prio = PJSIP_MOD_PRIORITY_UA_PROXY_LAYER;
    pjsip_endpt_process_rx_data(pjsua_get_pjsip_endpt(), rd, &p, &handled);
    cur = NULL;
    pjsip_rx_data_free_cloned(rd);
    return 0;
}

/* Before the transaction layer, so the dialog is found by the transaction's key; only where it matters: the Contact is not where it came from. */
static int response_to_lan_leg(pjsip_rx_data *rd)
{
    pjsip_contact_hdr *c = pjsip_msg_find_hdr(rd->msg_info.msg, PJSIP_H_CONTACT, NULL); pjsip_sip_uri *u; pj_str_t key; pjsip_transaction *tsx; pjsua_call *call; int lan = 0;
    if (!c || c->star || !c->uri) return 0;
    u = pjsip_uri_get_uri(c->uri);
    if (!PJSIP_URI_SCHEME_IS_SIP(u) || !pj_stricmp2(&u->host, rd->pkt_info.src_name)) return 0;
    if (pjsip_tsx_create_key(rd->tp_info.pool, &key, PJSIP_ROLE_UAC, &rd->msg_info.cseq->method, rd) != PJ_SUCCESS) return 0;
    tsx = pjsip_tsx_layer_find_tsx(&key, PJ_TRUE);
    if (!tsx) return 0;
    call = call_of(pjsip_tsx_get_dlg(tsx));
    if (call && call->acc_id >= 0 && call->acc_id < PJSUA_MAX_ACC) lan = lan_acc[call->acc_id];
    pj_grp_lock_release(tsx->grp_lock);
    return lan;
}
static pj_bool_t on_rx_response(pjsip_rx_data *rd)
{
    fix_contact(rd, response_to_lan_leg(rd));
    fix_sdp(rd);
    return PJ_FALSE;
}

static pjsip_module hook_mod = { NULL, NULL, { "mod-hf-hook", 11 }, -1, PJSIP_MOD_PRIORITY_UA_PROXY_LAYER - 1, NULL, NULL, NULL, NULL, &on_rx, NULL, NULL, NULL, NULL };
/* responses are put right before the transaction layer hands them to the dialog */
static pjsip_module fix_mod = { NULL, NULL, { "mod-hf-fix", 10 }, -1, PJSIP_MOD_PRIORITY_TSX_LAYER - 1, NULL, NULL, NULL, NULL, NULL, &on_rx_response, NULL, NULL, NULL };

static void on_dropped(pjsip_tp_dropped_data *d);

static void find_account(const pjsip_rx_data *rd, pjsua_acc_id *acc) { PJ_UNUSED_ARG(rd); if (next_acc >= 0 && pjsua_acc_is_valid(next_acc)) *acc = next_acc; next_acc = -1; }

void hf_lan_account(int acc, int is_lan) { if (acc >= 0 && acc < PJSUA_MAX_ACC) lan_acc[acc] = (unsigned char)is_lan; }
void hf_counts(unsigned long *out, int n)
{
    int i;
    for (i = 0; i < n; i++) out[i] = i < 4 ? tr_counts[i] : i == 4 ? refused_here : 0;
}
int hf_hook_install(void)
{
    pj_status_t st = pjsip_register_uri_parser("urn", &parse_urn);
    if (st == PJ_SUCCESS) st = pjsip_endpt_register_module(pjsua_get_pjsip_endpt(), &hook_mod);
    if (st == PJ_SUCCESS) st = pjsip_endpt_register_module(pjsua_get_pjsip_endpt(), &fix_mod);
    if (st == PJ_SUCCESS) st = pjsip_endpt_set_ext_resolver(pjsua_get_pjsip_endpt(), &names_resolver);
    if (st == PJ_SUCCESS) st = pjsip_tpmgr_set_drop_data_cb(pjsip_endpt_get_tpmgr(pjsua_get_pjsip_endpt()), &on_dropped);
    pjsua_var.ua_cfg.cb.on_acc_find_for_incoming = &find_account;
    return st;
}
