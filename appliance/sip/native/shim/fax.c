/* T.38 between two joined calls (row K1): a re-INVITE that offers UDPTL is asked of the other leg, and what that one takes is taken here. The datagrams
 * then pass from socket to socket on the ports the sound had, as they are.
 *
 * pjsua knows no T.38 and is not told: both re-INVITEs run beside its session, in the same dialogs. An offer of sound ends it, and pjsua goes on as before.
 */
#include "common.h"

enum { FAX_ASKED = 1, FAX_BEGAN, FAX_OVER, FAX_STRAY };

/* a re-INVITE that waits for the other leg, by the call it came in */
typedef struct { pjsip_rx_data *rdata; pjsip_transaction *tsx; int other; unsigned serial; } fax_ask;
static fax_ask asks[PJSUA_MAX_CALLS];
/* a 200 of ours that waits for its ACK */
static struct { pjsip_transaction *tsx; int cseq; } fax_acks[PJSUA_MAX_CALLS];
typedef struct { int call; unsigned serial; int signed_once; } fax_token;
static unsigned fax_serial;

static pjmedia_sdp_media *image_in(const pjmedia_sdp_session *s)
{
    unsigned i;
    for (i = 0; s && i < s->media_count; i++) {
        pjmedia_sdp_media *m = s->media[i];
        if (m->desc.port && !pj_stricmp2(&m->desc.media, "image") && !pj_stricmp2(&m->desc.transport, "udptl")) return m;
    }
    return NULL;
}
static int sound_in(const pjmedia_sdp_session *s)
{
    unsigned i;
    for (i = 0; s && i < s->media_count; i++) if (s->media[i]->desc.port && !pj_stricmp2(&s->media[i]->desc.media, "audio")) return 1;
    return 0;
}
static const pjmedia_sdp_session *sdp_of(pjsip_rx_data *rd)
{
    pjsip_rdata_sdp_info *info = rd->msg_info.msg->body ? pjsip_rdata_get_sdp_info(rd) : NULL;
    return info ? info->sdp : NULL;
}
static int address_of(const pjmedia_sdp_session *s, const pjmedia_sdp_media *m, pj_sockaddr *out)
{
    const pjmedia_sdp_conn *c = m->conn ? m->conn : s->conn;
    return c && is_literal(&c->addr) && pj_sockaddr_init(memchr(c->addr.ptr, ':', c->addr.slen) ? pj_AF_INET6() : pj_AF_INET(), out, &c->addr, m->desc.port) == PJ_SUCCESS;
}

/* The session's own SDP with our sound's address and port, but T.38 as `like` describes it. `offer`: the answer to it has its streams, all others refused.
   The version rises in pjsua's copy, twice: what it sends next must be newer than this (RFC 3264 section 8). */
static pjsip_msg_body *fax_body(pj_pool_t *pool, pjsua_call *c, const pjmedia_sdp_session *offer, const pjmedia_sdp_media *like)
{
    const pjmedia_sdp_session *local; pjmedia_sdp_session *s; pjmedia_sdp_media *m, *sound; pjsip_msg_body *body; unsigned i, at = c->audio_idx;
    if (!c->inv->neg || pjmedia_sdp_neg_get_active_local(c->inv->neg, &local) != PJ_SUCCESS || c->audio_idx < 0 || at >= local->media_count) return NULL;
    ((pjmedia_sdp_session*)local)->origin.version++;
    s = pjmedia_sdp_session_clone(pool, local);
    ((pjmedia_sdp_session*)local)->origin.version++;
    sound = s->media[at];
    m = PJ_POOL_ZALLOC_T(pool, pjmedia_sdp_media);
    m->desc.media = pj_str("image"); m->desc.transport = pj_str("udptl"); m->desc.fmt_count = 1; m->desc.fmt[0] = pj_str("t38");
    m->desc.port = sound->desc.port; m->desc.port_count = 1;
    m->conn = sound->conn;
    for (i = 0; i < like->attr_count; i++)
        if (like->attr[i]->name.slen > 3 && !strncasecmp(like->attr[i]->name.ptr, "T38", 3)) m->attr[m->attr_count++] = pjmedia_sdp_attr_clone(pool, like->attr[i]);
    if (offer) {
        s->media_count = offer->media_count;
        for (i = 0; i < offer->media_count; i++) {
            if (offer->media[i] == image_in(offer)) { s->media[i] = m; continue; }
            s->media[i] = pjmedia_sdp_media_clone(pool, offer->media[i]);
            pjmedia_sdp_media_deactivate(pool, s->media[i]);
        }
    } else {
        for (i = 0; i < s->media_count; i++) if (i != at) pjmedia_sdp_media_deactivate(pool, s->media[i]);
        s->media[at] = m;
    }
    return pjsip_create_sdp_body(pool, s, &body) == PJ_SUCCESS ? body : NULL;
}

/* ---- the leg that asks */

static void fax_acked(int call)
{
    pjsip_transaction *tsx = fax_acks[call].tsx;
    if (!tsx) return;
    fax_acks[call].tsx = NULL;
    if (tsx->state < PJSIP_TSX_STATE_TERMINATED) pjsip_tsx_terminate(tsx, 200);
    pj_grp_lock_dec_ref(tsx->grp_lock);
}

/* the final answer to a re-INVITE that waits; `like` set: 200 with T.38 */
static int fax_answer(int call, int code, const pjmedia_sdp_media *like)
{
    fax_ask ask = asks[call]; pjsip_tx_data *td; pjsua_call *c = &pjsua_var.calls[call]; pj_str_t cn = { "Contact", 7 }; int ok = 0;
    if (!ask.rdata) return -1;
    asks[call].rdata = NULL; asks[call].tsx = NULL;
    if (ask.tsx->state < PJSIP_TSX_STATE_COMPLETED && pjsip_endpt_create_response(pjsua_get_pjsip_endpt(), ask.rdata, code, NULL, &td) == PJ_SUCCESS) {
        if (like) {
            td->msg->body = c->inv ? fax_body(td->pool, c, sdp_of(ask.rdata), like) : NULL;
            if (!td->msg->body) { td->msg->line.status.code = 500; td->msg->line.status.reason = pj_str("No session"); }
            if (pjsua_var.acc[c->acc_id].cfg.force_contact.slen) pjsip_msg_add_hdr(td->msg, (pjsip_hdr*)pjsip_generic_string_hdr_create(td->pool, &cn, &pjsua_var.acc[c->acc_id].cfg.force_contact));
        }
        ok = td->msg->line.status.code == 200;
        if (pjsip_tsx_send_msg(ask.tsx, td) != PJ_SUCCESS) { pjsip_tx_data_dec_ref(td); ok = 0; }
    }
    if (ok) { fax_acked(call); fax_acks[call].tsx = ask.tsx; fax_acks[call].cseq = ask.rdata->msg_info.cseq->cseq; }
    else pj_grp_lock_dec_ref(ask.tsx->grp_lock);
    pjsip_rx_data_free_cloned(ask.rdata);
    return ok ? 0 : -1;
}
int hf_fax_refuse(int call, int code) { return call < 0 || call >= PJSUA_MAX_CALLS ? -1 : fax_answer(call, code, NULL); }

/* the call is over */
static void fax_drop(int call) { fax_answer(call, 487, NULL); fax_acked(call); }

/* INVITE and ACK inside a dialog; true: taken */
static pj_bool_t fax_in_dialog(pjsip_rx_data *rd)
{
    pjsua_call *c = call_of(pjsip_ua_find_dialog(&rd->msg_info.cid->id, &rd->msg_info.to->tag, &rd->msg_info.from->tag, PJ_FALSE)); leg *a; pjsip_transaction *tsx; pjsip_tx_data *td;
    const pjmedia_sdp_session *s; int call;
    if (!c || c->hanging_up || !c->inv) return PJ_FALSE;
    call = c->index;
    if (rd->msg_info.msg->line.req.method.id == PJSIP_ACK_METHOD) {
        if (!fax_acks[call].tsx || fax_acks[call].cseq != rd->msg_info.cseq->cseq) return PJ_FALSE;
        fax_acked(call);
        return PJ_TRUE;
    }
    a = leg_of(call); s = sdp_of(rd);
    if (!a || !s || c->inv->state != PJSIP_INV_STATE_CONFIRMED) return PJ_FALSE;
    if (sound_in(s) || !image_in(s)) {
        if (sound_in(s) && a->raw) { unlink_pair(a, 1); hf_on_fax(call, FAX_OVER); }
        return PJ_FALSE;
    }
    if (asks[call].rdata || c->inv->invite_tsx) { reply_to(rd, 491, NULL, NULL); return PJ_TRUE; }
    if (pjsip_tsx_create_uas2(&hook_mod, rd, NULL, &tsx) != PJ_SUCCESS) return PJ_TRUE;
    pjsip_tsx_recv_msg(tsx, rd);
    if (pjsip_rx_data_clone(rd, 0, &asks[call].rdata) != PJ_SUCCESS) { asks[call].rdata = NULL; pjsip_tsx_terminate(tsx, 500); return PJ_TRUE; }
    pj_grp_lock_add_ref(tsx->grp_lock);
    asks[call].tsx = tsx; asks[call].other = -1; asks[call].serial = ++fax_serial;
    if (pjsip_endpt_create_response(pjsua_get_pjsip_endpt(), rd, 100, NULL, &td) == PJ_SUCCESS && pjsip_tsx_send_msg(tsx, td) != PJ_SUCCESS) pjsip_tx_data_dec_ref(td);
    hf_on_fax(call, FAX_ASKED);
    return PJ_TRUE;
}

/* ---- the leg that is asked */

static void fax_heard(void *token, pjsip_event *e);

static int fax_send(pjsip_dialog *dlg, pjsip_tx_data *td, fax_token *t)
{
    /* as pjsip_dlg_send_request does; the transaction is ours, not the session's */
    PJSIP_MSG_CSEQ_HDR(td->msg)->cseq = dlg->local.cseq++;
    pjsip_tx_data_invalidate_msg(td);
    pjsip_tx_data_set_transport(td, &dlg->tp_sel);
    return pjsip_endpt_send_request(pjsua_get_pjsip_endpt(), td, -1, t, &fax_heard) == PJ_SUCCESS ? 0 : -1;
}

/* the final answer of the other leg */
static void fax_heard(void *token, pjsip_event *e)
{
    fax_token *t = token; pjsip_transaction *tsx = e->body.tsx_state.tsx; fax_ask *ask = &asks[t->call]; pjsip_rx_data *rd; pjsip_tx_data *td; pjsua_call *c; pjsip_dialog *dlg;
    const pjmedia_sdp_session *s; pjmedia_sdp_media *m; leg *x, *y; pj_sockaddr to_x, to_y; int code = tsx->status_code, call = t->call, other, live = ask->rdata && ask->serial == t->serial;
    rd = e->body.tsx_state.type == PJSIP_EVENT_RX_MSG ? e->body.tsx_state.src.rdata : NULL;
    dlg = rd ? pjsip_ua_find_dialog(&rd->msg_info.cid->id, &rd->msg_info.from->tag, &rd->msg_info.to->tag, PJ_FALSE) : NULL;
    c = call_of(dlg);
    if (dlg && (code == 401 || code == 407) && live && !t->signed_once++) {
        if (pjsip_auth_clt_reinit_req(&dlg->auth_sess, rd, tsx->last_tx, &td) == PJ_SUCCESS) { if (fax_send(dlg, td, t)) hf_fax_refuse(call, 488); return; }
    }
    free(t);
    if (code / 100 == 2 && dlg) {                                         /* it is acknowledged, whatever became of the rest */
        if (pjsip_dlg_create_request(dlg, pjsip_get_ack_method(), rd->msg_info.cseq->cseq, &td) == PJ_SUCCESS) pjsip_dlg_send_request(dlg, td, -1, NULL);
    }
    if (!live) { if (code / 100 == 2 && c) hf_on_fax(c->index, FAX_STRAY); return; }
    other = ask->other;
    s = code / 100 == 2 && rd ? sdp_of(rd) : NULL; m = image_in(s);
    x = leg_of(call); y = leg_of(other);
    if (!m || !c || (int)c->index != other || !x || !y || !address_of(s, m, &to_y) || !address_of(sdp_of(ask->rdata), image_in(sdp_of(ask->rdata)), &to_x) || !relay(x, y, &to_x, &to_y)) {
        hf_fax_refuse(call, code == 491 ? 491 : 488);
        if (code / 100 == 2 && c) hf_on_fax(c->index, FAX_STRAY);
        return;
    }
    if (fax_answer(call, 200, m)) { unlink_pair(x, 1); hf_on_fax(other, FAX_STRAY); return; }
    hf_on_fax(call, FAX_BEGAN); hf_on_fax(other, FAX_BEGAN);
}

int hf_fax_pass(int call, int other)
{
    pjsua_call *b; pjsip_dialog *dlg; pjsip_tx_data *td; fax_token *t; const pjmedia_sdp_session *offer; leg *a; int failed = -1; pj_sockaddr to;
    if (call < 0 || call >= PJSUA_MAX_CALLS || !asks[call].rdata || !valid_call(other)) return -1;
    offer = sdp_of(asks[call].rdata); a = leg_of(call); b = &pjsua_var.calls[other];
    if (a && a->raw && a->peer == leg_of(other)) {                        /* a refresh in the middle of it: the other leg has nothing new to say */
        pjmedia_sdp_media like = *image_in(offer);
        if (address_of(offer, image_in(offer), &to)) { pthread_rwlock_wrlock(&fw_lock); pj_sockaddr_cp(&a->raw_dst, &to); a->raw_heard = 0; pthread_rwlock_unlock(&fw_lock); }
        return fax_answer(call, 200, &like);
    }
    if (b->inv->state != PJSIP_INV_STATE_CONFIRMED || b->inv->invite_tsx || asks[other].rdata || !(t = calloc(1, sizeof *t))) return -1;
    asks[call].other = other; t->call = call; t->serial = asks[call].serial;
    dlg = b->inv->dlg;
    pjsip_dlg_inc_lock(dlg);
    if (pjsip_dlg_create_request(dlg, pjsip_get_invite_method(), -1, &td) == PJ_SUCCESS) {
        td->msg->body = fax_body(td->pool, b, NULL, image_in(offer));
        if (td->msg->body) failed = fax_send(dlg, td, t); else { pjsip_tx_data_dec_ref(td); free(t); }
    } else free(t);
    pjsip_dlg_dec_lock(dlg);
    return failed;
}
