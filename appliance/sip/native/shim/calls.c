/* Calls over pjsua-lib with light callbacks: no C++ or Python object per event, no CallInfo, so nothing to keep alive and nothing to leak. */
#include "common.h"

/* preferred codec order of a call; `pending` is that of the call whose SDP is being made before its id is known */
static char prefer[PJSUA_MAX_CALLS][96];
static char pending_prefer[96];
static int pending_call;

typedef struct { pjsip_rx_data *rdata; pjsip_transaction *tsx; } refer_t;
static refer_t refers[PJSUA_MAX_CALLS];

static int valid_call(int call) { return call >= 0 && call < (int)pjsua_var.ua_cfg.max_calls && pjsua_var.calls[call].inv && !pjsua_var.calls[call].hanging_up; }
static void settings(pjsua_call_setting *s) { pjsua_call_setting_default(s); s->aud_cnt = 1; s->vid_cnt = 0; s->txt_cnt = 0; }

/* ---- SDP: our preferences first */

static int rank_of(pjmedia_sdp_media *m, pj_str_t *fmt, const char *order)
{
    pjmedia_sdp_attr *a = pjmedia_sdp_media_find_attr2(m, "rtpmap", fmt); pjmedia_sdp_rtpmap map; const char *p = order; int rank = 0; pj_str_t name;
    long pt = pj_strtol(fmt);
    if (a && pjmedia_sdp_attr_get_rtpmap(a, &map) == PJ_SUCCESS) name = map.enc_name;
    else name = pj_str(pt == 0 ? "pcmu" : pt == 8 ? "pcma" : pt == 9 ? "g722" : "?");
    if (!pj_stricmp2(&name, "telephone-event") || !pj_stricmp2(&name, "CN")) return 1000;
    while (*p) {
        const char *end = strchr(p, ','); size_t n = end ? (size_t)(end - p) : strlen(p);
        if ((size_t)name.slen == n && !strncasecmp(name.ptr, p, n)) return rank;
        rank++; p += n; if (*p) p++;
    }
    return 500;
}
static void sdp_created(pjsua_call_id call, pjmedia_sdp_session *sdp, pj_pool_t *pool, const pjmedia_sdp_session *rem)
{
    const char *order = pending_call ? pending_prefer : prefer[call]; unsigned i, j, k;
    PJ_UNUSED_ARG(pool); PJ_UNUSED_ARG(rem);
    if (!*order) return;
    for (i = 0; i < sdp->media_count; i++) {
        pjmedia_sdp_media *m = sdp->media[i];
        if (pj_stricmp2(&m->desc.media, "audio")) continue;
        for (j = 1; j < m->desc.fmt_count; j++)                               /* stable insertion sort by rank */
            for (k = j; k > 0 && rank_of(m, &m->desc.fmt[k - 1], order) > rank_of(m, &m->desc.fmt[k], order); k--) {
                pj_str_t t = m->desc.fmt[k]; m->desc.fmt[k] = m->desc.fmt[k - 1]; m->desc.fmt[k - 1] = t;
            }
    }
}

/* ---- events */

static void on_state(pjsua_call_id id, pjsip_event *e)
{
    pjsua_call *c = &pjsua_var.calls[id]; char reason[128]; int retry = 0;
    /* hung up here: pjsua tells at once, the dialog goes on to its BYE by itself (inv->state is still the old one) */
    int state = c->hanging_up || !c->inv ? PJSIP_INV_STATE_DISCONNECTED : (int)c->inv->state;
    if (e->type == PJSIP_EVENT_TSX_STATE && e->body.tsx_state.type == PJSIP_EVENT_RX_MSG && state == PJSIP_INV_STATE_DISCONNECTED) {
        pjsip_retry_after_hdr *ra = pjsip_msg_find_hdr(e->body.tsx_state.src.rdata->msg_info.msg, PJSIP_H_RETRY_AFTER, NULL);
        if (ra) retry = ra->ivalue;
    }
    if (state == PJSIP_INV_STATE_DISCONNECTED) {
        hf_stop(id); fax_drop(id);
        prefer[id][0] = 0;
        if (refers[id].tsx) hf_call_refer_answer(id, 481);
    }
    snprintf(reason, sizeof reason, "%.*s", (int)c->last_text.slen, c->last_text.ptr);
    if (state == PJSIP_INV_STATE_CONFIRMED) media_begins(id);
    hf_on_state(id, state, c->last_code, reason, retry);
    if (state == PJSIP_INV_STATE_DISCONNECTED) hf_record_stop(id);        /* after Python has fetched the rest */
}

static void on_media(pjsua_call_id id)
{
    pjsua_call *c = &pjsua_var.calls[id]; unsigned i; char codec[32] = "";
    for (i = 0; i < c->med_cnt; i++) {
        pjsua_call_media *m = &c->media[i]; pjmedia_stream_info si;
        if (m->type != PJMEDIA_TYPE_AUDIO || (int)i != c->audio_idx) continue;
        if (m->strm.a.stream && pjmedia_stream_get_info(m->strm.a.stream, &si) == PJ_SUCCESS)
            snprintf(codec, sizeof codec, "%.*s", (int)si.fmt.encoding_name.slen, si.fmt.encoding_name.ptr);
        /* pjsua makes the call's port of the bridge anew at every change */
        media_learn(id); sound_link(id); record_link(id);
        hf_on_media(id, m->state == PJSUA_CALL_MEDIA_ACTIVE || m->state == PJSUA_CALL_MEDIA_REMOTE_HOLD || m->state == PJSUA_CALL_MEDIA_LOCAL_HOLD,
                    !c->local_hold && (m->state == PJSUA_CALL_MEDIA_REMOTE_HOLD || m->dir == PJMEDIA_DIR_NONE || m->dir == PJMEDIA_DIR_DECODING), codec);
        return;
    }
    hf_on_media(id, 0, 0, "");
}

static void on_incoming(pjsua_acc_id acc, pjsua_call_id id, pjsip_rx_data *rd)
{
    char cid[256];
    prefer[id][0] = 0; refers[id].tsx = NULL; refers[id].rdata = NULL;
    stats_forget(id);
    snprintf(cid, sizeof cid, "%.*s", (int)rd->msg_info.cid->id.slen, rd->msg_info.cid->id.ptr);
    hf_on_incoming(acc, id, cid);
}

static void on_dtmf(pjsua_call_id id, const pjsua_dtmf_event *ev)
{
    /* told at the end of a digit, once; RFC 4733 arrives on a media thread */
    if (ev->method == PJSUA_DTMF_METHOD_SIP_INFO || (ev->flags & PJMEDIA_STREAM_DTMF_IS_END))
        ev_push(HF_EV_DIGIT, id, (int)ev->digit | (ev->method == PJSUA_DTMF_METHOD_SIP_INFO ? 0x100 : 0), ev->duration == PJSUA_UNKNOWN_DTMF_DURATION ? 100 : (int)ev->duration);
}

static void on_refer_status(pjsua_call_id id, int code, const pj_str_t *text, pj_bool_t final, pj_bool_t *cont)
{
    PJ_UNUSED_ARG(text);
    *cont = !final;
    hf_on_refer_status(id, code, final);
}

static void on_tsx(pjsua_call_id id, pjsip_transaction *tsx, pjsip_event *e)
{
    PJ_UNUSED_ARG(e);
    /* pjsua has no state for 100 Trying, yet it tells a slow carrier from a dead one */
    if (tsx->role == PJSIP_ROLE_UAC && tsx->method.id == PJSIP_INVITE_METHOD && tsx->state == PJSIP_TSX_STATE_PROCEEDING && tsx->status_code == 100)
        hf_on_state(id, PJSIP_INV_STATE_CALLING, 100, "", 0);
    if (tsx->role == PJSIP_ROLE_UAC && tsx->method.id == PJSIP_OPTIONS_METHOD && (tsx->state == PJSIP_TSX_STATE_COMPLETED || tsx->state == PJSIP_TSX_STATE_TERMINATED))
        hf_on_probe(id, tsx->status_code);
}

void hf_calls_install(void)
{
    pjsua_callback *c = &pjsua_var.ua_cfg.cb;
    /* pjsua2 fills all of pjsua's callbacks and makes C++ and Python objects of every event; calls are ours alone, so its own are taken out */
    c->on_call_state = &on_state; c->on_call_media_state = &on_media; c->on_incoming_call = &on_incoming; c->on_call_sdp_created = &sdp_created;
    c->on_dtmf_event = &on_dtmf; c->on_dtmf_digit = NULL; c->on_dtmf_digit2 = NULL; c->on_call_transfer_status = &on_refer_status; c->on_call_tsx_state = &on_tsx;
    c->on_call_transfer_request = NULL; c->on_call_transfer_request2 = NULL; c->on_call_replace_request = NULL; c->on_call_replace_request2 = NULL; c->on_call_replaced = NULL;
    c->on_call_rx_offer = NULL; c->on_call_rx_reinvite = NULL; c->on_call_tx_offer = NULL; c->on_call_redirected = NULL; c->on_call_rx_text = NULL;
    c->on_stream_precreate = NULL; c->on_stream_created = NULL; c->on_stream_created2 = NULL; c->on_stream_destroyed = NULL;
    c->on_call_media_transport_state = NULL; c->on_conf_op_completed = NULL; c->on_transport_state = NULL; c->on_call_media_event = NULL; c->on_media_event = NULL;
    c->on_snd_dev_operation = NULL; c->on_create_media_transport_srtp = NULL; c->on_rejected_incoming_call = NULL; c->on_acc_send_request = NULL; c->on_auth_challenge = NULL;
    c->on_pager = NULL; c->on_pager2 = NULL; c->on_pager_status = NULL; c->on_pager_status2 = NULL; c->on_typing = NULL; c->on_typing2 = NULL;
    c->on_incoming_subscribe = NULL; c->on_srv_subscribe_state = NULL; c->on_mwi_info = NULL; c->on_mwi_state = NULL;
}

/* ---- commands */

int hf_call_make(int acc, const char *target, const char *to, const char *from, const char *contact, const char *headers, const char *codecs, const hf_part *parts, int n, char *cid, int len, int *status)
{
    pjsua_call_setting s; pjsua_msg_data md; pjsua_call_id id = -1; pj_pool_t *pool = pjsua_pool_create("hfmake", 2000, 2000); pj_str_t dst; int i; pj_status_t st;
    settings(&s);
    spread_rtp_ports(acc);
    pjsua_msg_data_init(&md);
    dst = pj_str((char*)(*to ? to : target));
    md.target_uri = pj_str((char*)target);
    if (*from) md.local_uri = pj_str((char*)from);
    if (*contact) md.contact_uri = pj_str((char*)contact);
    add_headers(pool, &md.hdr_list, headers);
    if (n > 0) {
        media_type(pool, "multipart/mixed", &md.multipart_ctype);
        for (i = 0; i < n; i++) {
            pjsip_multipart_part *p = pjsip_multipart_create_part(pool);
            p->body = body_of(pool, parts[i].ctype, parts[i].body, parts[i].len);
            add_headers(pool, &p->hdr, parts[i].headers);
            pj_list_push_back(&md.multipart_parts, p);
        }
    }
    snprintf(pending_prefer, sizeof pending_prefer, "%s", codecs); pending_call = 1;
    st = pjsua_call_make_call(acc, &dst, &s, NULL, &md, &id);
    pending_call = 0;
    *status = st;
    if (st == PJ_SUCCESS && id >= 0 && pjsua_var.calls[id].inv) {
        pj_str_t *c = &pjsua_var.calls[id].inv->dlg->call_id->id;
        snprintf(cid, len, "%.*s", (int)c->slen, c->ptr);
        snprintf(prefer[id], sizeof prefer[id], "%s", codecs);
        refers[id].tsx = NULL; refers[id].rdata = NULL;
    } else if (st == PJ_SUCCESS) id = -1;
    pj_pool_release(pool);
    return st == PJ_SUCCESS ? id : -1;
}

static void with_headers(const char *headers, pjsua_msg_data *md, pj_pool_t **pool)
{
    pjsua_msg_data_init(md);
    *pool = headers && *headers ? pjsua_pool_create("hfhdr", 500, 500) : NULL;
    if (*pool) add_headers(*pool, &md->hdr_list, headers);
}

int hf_call_answer(int call, int code, const char *reason, const char *headers, const char *codecs)
{
    pjsua_call_setting s; pjsua_msg_data md; pj_pool_t *pool; pj_str_t r = pj_str((char*)reason); pj_status_t st; pjsua_call *c;
    if (!valid_call(call)) return PJ_EINVAL;
    c = &pjsua_var.calls[call];
    settings(&s);
    with_headers(headers, &md, &pool);
    if (*codecs) {
        snprintf(prefer[call], sizeof prefer[call], "%s", codecs);
        /* the answer was made when the INVITE came: put it into the wished order before it is negotiated */
        if (c->inv->neg) pjmedia_sdp_neg_set_prefer_remote_codec_order(c->inv->neg, PJ_FALSE);
        if (c->inv->neg && pjmedia_sdp_neg_get_state(c->inv->neg) == PJMEDIA_SDP_NEG_STATE_WAIT_NEGO) {
            const pjmedia_sdp_session *local;
            if (pjmedia_sdp_neg_get_neg_local(c->inv->neg, &local) == PJ_SUCCESS) sdp_created(call, (pjmedia_sdp_session*)local, c->inv->pool_prov, NULL);
        }
    }
    st = pjsua_call_answer2(call, &s, code, r.slen ? &r : NULL, &md);
    if (pool) pj_pool_release(pool);
    return st;
}

int hf_call_hangup(int call, int code, const char *reason, const char *headers)
{
    pjsua_msg_data md; pj_pool_t *pool; pj_str_t r = pj_str((char*)reason); pj_status_t st;
    if (!valid_call(call)) return PJ_EINVAL;
    with_headers(headers, &md, &pool);
    st = pjsua_call_hangup(call, code, r.slen ? &r : NULL, &md);
    if (pool) pj_pool_release(pool);
    return st;
}

int hf_call_hold(int call, int on)
{
    pjsua_call_setting s;
    if (!valid_call(call) || pjsua_var.calls[call].inv->state != PJSIP_INV_STATE_CONFIRMED) return PJ_EINVAL;
    settings(&s);
    if (on) return pjsua_call_set_hold2(call, 0, NULL);
    s.flag |= PJSUA_CALL_UNHOLD;
    return pjsua_call_reinvite2(call, &s, NULL);
}

int hf_call_dtmf(int call, const char *digits, int info, int duration)
{
    pjsua_call_send_dtmf_param p;
    if (!valid_call(call)) return PJ_EINVAL;
    pjsua_call_send_dtmf_param_default(&p);
    p.digits = pj_str((char*)digits); p.duration = duration;
    p.method = info ? PJSUA_DTMF_METHOD_SIP_INFO : PJSUA_DTMF_METHOD_RFC2833;
    return pjsua_call_send_dtmf(call, &p);
}

int hf_call_refer(int call, const char *target, const char *headers)
{
    pjsua_msg_data md; pj_pool_t *pool; pj_str_t t = pj_str((char*)target); pj_status_t st;
    if (!valid_call(call)) return PJ_EINVAL;
    with_headers(headers, &md, &pool);
    st = pjsua_call_xfer(call, &t, &md);
    if (pool) pj_pool_release(pool);
    return st;
}

int hf_call_probe(int call)
{
    pj_str_t m = { "OPTIONS", 7 };
    return valid_call(call) && pjsua_var.calls[call].inv->state == PJSIP_INV_STATE_CONFIRMED ? pjsua_call_send_request(call, &m, NULL) : PJ_EINVAL;
}
int hf_calls_used(void)
{
    unsigned i; int n = 0;
    for (i = 0; i < pjsua_var.ua_cfg.max_calls; i++) n += pjsua_var.calls[i].inv || pjsua_var.calls[i].async_call.dlg;
    return n;
}

/* ---- a digit as some phones send it: INFO with application/dtmf, which pjsua leaves unanswered (application/dtmf-relay it takes) */

static pj_bool_t digit_in_dialog(pjsip_rx_data *rd)
{
    static const char numbers[] = "0123456789*#ABCD"; pjsip_msg_body *b = rd->msg_info.msg->body; const char *p; pjsua_call *c; long n; char text[8];
    if (pj_strcmp2(&rd->msg_info.msg->line.req.method.name, "INFO") || !b || !b->len || pj_stricmp2(&b->content_type.type, "application") || pj_stricmp2(&b->content_type.subtype, "dtmf")) return PJ_FALSE;
    c = call_of(pjsip_ua_find_dialog(&rd->msg_info.cid->id, &rd->msg_info.to->tag, &rd->msg_info.from->tag, PJ_FALSE));
    if (!c || c->hanging_up || !c->inv) return PJ_FALSE;
    snprintf(text, sizeof text, "%.*s", (int)b->len, (char*)b->data);
    for (p = text; *p == ' '; p++) ;
    n = isdigit((unsigned char)*p) ? strtol(p, NULL, 10) : -1;            /* events 10 to 15 are the keys beside the digits */
    if (n > 15 || (n < 0 && !(*p && strchr(numbers, toupper((unsigned char)*p))))) pjsip_endpt_respond(pjsua_get_pjsip_endpt(), &hook_mod, rd, 400, NULL, NULL, NULL, NULL);
    else {
        ev_push(HF_EV_DIGIT, c->index, (n < 0 ? toupper((unsigned char)*p) : numbers[n]) | 0x100, 100);
        pjsip_endpt_respond(pjsua_get_pjsip_endpt(), &hook_mod, rd, 200, NULL, NULL, NULL, NULL);
    }
    return PJ_TRUE;
}

/* ---- REFER received: pjsua would dial the target by itself; here the session decides */

static pj_bool_t refer_in_dialog(pjsip_rx_data *rd)
{
    pjsip_dialog *dlg; pjsua_call *c; pjsip_transaction *tsx; pj_str_t name = { "Refer-To", 8 }, rep = { "Replaces", 8 }; pjsip_generic_string_hdr *h; pjsip_uri *uri; char target[1024], user[256], replaces[512]; int n; pj_str_t v;
    if (pj_strcmp2(&rd->msg_info.msg->line.req.method.name, "REFER")) return PJ_FALSE;
    dlg = pjsip_ua_find_dialog(&rd->msg_info.cid->id, &rd->msg_info.to->tag, &rd->msg_info.from->tag, PJ_FALSE);
    c = call_of(dlg);
    if (!c || c->hanging_up || !c->inv) return PJ_FALSE;                 /* pjsip answers 481 */
    h = pjsip_msg_find_hdr_by_name(rd->msg_info.msg, &name, NULL);
    target[0] = user[0] = replaces[0] = 0;
    if (h) {
        pj_strdup_with_null(rd->tp_info.pool, &v, &h->hvalue);
        uri = pjsip_parse_uri(rd->tp_info.pool, v.ptr, v.slen, 0);
        uri = uri ? pjsip_uri_get_uri(uri) : NULL;
        if (uri && (PJSIP_URI_SCHEME_IS_SIP(uri) || PJSIP_URI_SCHEME_IS_SIPS(uri))) {
            pjsip_sip_uri *u = (pjsip_sip_uri*)uri; pjsip_param *p = pjsip_param_find(&u->header_param, &rep);
            snprintf(user, sizeof user, "%.*s", (int)u->user.slen, u->user.ptr);
            if (p) {
                pj_str_t un = pj_str_unescape(rd->tp_info.pool, &p->value);
                snprintf(replaces, sizeof replaces, "%.*s", (int)un.slen, un.ptr);
                pj_list_init(&u->header_param);
            }
        } else if (uri && PJSIP_URI_SCHEME_IS_TEL(uri)) snprintf(user, sizeof user, "%.*s", (int)((pjsip_tel_uri*)uri)->number.slen, ((pjsip_tel_uri*)uri)->number.ptr);
        if (uri) { n = pjsip_uri_print(PJSIP_URI_IN_REQ_URI, uri, target, sizeof target - 1); target[n > 0 ? n : 0] = 0; }
    }
    if (!*target) { reply_to(rd, 400, "Refer-To is missing or cannot be read", NULL); return PJ_TRUE; }
    if (refers[c->index].tsx) { reply_to(rd, 491, "A transfer is already under way", NULL); return PJ_TRUE; }
    if (pjsip_tsx_create_uas2(&hook_mod, rd, NULL, &tsx) != PJ_SUCCESS) return PJ_TRUE;
    pjsip_tsx_recv_msg(tsx, rd);
    if (pjsip_rx_data_clone(rd, 0, &refers[c->index].rdata) != PJ_SUCCESS) { pjsip_tsx_terminate(tsx, 500); return PJ_TRUE; }
    /* a TCP connection that closes ends the transaction before the session has answered: the reference keeps it readable */
    pj_grp_lock_add_ref(tsx->grp_lock);
    refers[c->index].tsx = tsx;
    hf_on_refer(c->index, target, user, replaces);
    return PJ_TRUE;
}

int hf_call_refer_answer(int call, int code)
{
    pjsip_tx_data *td; refer_t r;
    if (call < 0 || call >= PJSUA_MAX_CALLS || !refers[call].tsx) return PJ_EINVAL;
    r = refers[call]; refers[call].tsx = NULL; refers[call].rdata = NULL;
    if (pjsip_endpt_create_response(pjsua_get_pjsip_endpt(), r.rdata, code, NULL, &td) == PJ_SUCCESS) {
        pjsua_call *c = &pjsua_var.calls[call]; pj_str_t cn = { "Contact", 7 };
        if (c->inv && code < 300 && pjsua_var.acc[c->acc_id].cfg.force_contact.slen) pjsip_msg_add_hdr(td->msg, (pjsip_hdr*)pjsip_generic_string_hdr_create(td->pool, &cn, &pjsua_var.acc[c->acc_id].cfg.force_contact));
        if (r.tsx->state < PJSIP_TSX_STATE_TERMINATED) pjsip_tsx_send_msg(r.tsx, td); else pjsip_tx_data_dec_ref(td);
    }
    pj_grp_lock_dec_ref(r.tsx->grp_lock);
    pjsip_rx_data_free_cloned(r.rdata);
    return 0;
}

int hf_call_refer_notify(int call, int code, const char *reason, int final)
{
    pjsip_tx_data *td; pjsip_method m; pj_str_t nm = { "NOTIFY", 6 }; char b[256]; pjsip_dialog *dlg; pj_status_t st;
    if (!valid_call(call)) return PJ_EINVAL;
    dlg = pjsua_var.calls[call].inv->dlg;
    pjsip_dlg_inc_lock(dlg);
    pjsip_method_init_np(&m, &nm);
    st = pjsip_dlg_create_request(dlg, &m, -1, &td);
    if (st == PJ_SUCCESS) {
        pjsip_hdr list; pj_list_init(&list);
        add_headers(td->pool, &list, final ? "Event: refer\nSubscription-State: terminated;reason=noresource" : "Event: refer\nSubscription-State: active;expires=60");
        while (!pj_list_empty(&list)) { pjsip_hdr *h = list.next; pj_list_erase(h); pjsip_msg_add_hdr(td->msg, h); }
        snprintf(b, sizeof b, "SIP/2.0 %d %s\r\n", code, reason && *reason ? reason : pjsip_get_status_text(code)->ptr);
        td->msg->body = body_of(td->pool, "message/sipfrag;version=2.0", b, (int)strlen(b));
        st = pjsip_dlg_send_request(dlg, td, -1, NULL);
    }
    pjsip_dlg_dec_lock(dlg);
    return st;
}
