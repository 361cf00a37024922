/* Requests of our own outside pjsip's dialogs: OPTIONS to trunks, MESSAGE and check-sync NOTIFY to phones, and NOTIFY in a subscription's dialog, whose
   state is Python's. */
#include "common.h"

static void sent_done(void *token, pjsip_event *e)
{
    pjsip_transaction *tsx = e->body.tsx_state.tsx; char reason[128];
    if (!tsx) return;
    snprintf(reason, sizeof reason, "%.*s", (int)(tsx->status_text.slen > 100 ? 100 : tsx->status_text.slen), tsx->status_text.ptr);
    hf_on_response((int)(long)token, tsx->status_code, reason);
}

static int send_request(int token, int acc, const char *method, const char *target, const char *from, const char *from_tag, const char *to, const char *to_tag,
                        const char *call_id, int cseq, const char *headers, const char *ctype, const char *body, int len)
{
    pjsip_method m; pjsip_tx_data *td; pj_str_t t = pj_str((char*)target), name = pj_str((char*)method), f = pj_str((char*)from), o = pj_str((char*)(*to ? to : target)), c = pj_str((char*)call_id); pjsip_tpselector sel; pj_status_t st; pjsip_hdr list;
    if (!pjsua_acc_is_valid(acc)) return PJ_EINVAL;
    pjsip_method_init_np(&m, &name);
    st = pjsip_endpt_create_request(pjsua_get_pjsip_endpt(), &m, &t, *from ? &f : &pjsua_var.acc[acc].cfg.id, &o, NULL, &c, cseq, NULL, &td);
    if (st != PJ_SUCCESS) return st;
    if (*from_tag) pj_strdup2(td->pool, &PJSIP_MSG_FROM_HDR(td->msg)->tag, from_tag);
    if (*to_tag) pj_strdup2(td->pool, &PJSIP_MSG_TO_HDR(td->msg)->tag, to_tag);
    pjsua_init_tpselector(acc, &sel);
    pjsip_tx_data_set_transport(td, &sel);
    {
        pjsip_route_hdr *r = pjsua_var.acc[acc].route_set.next;
        for (; r != &pjsua_var.acc[acc].route_set; r = r->next) pjsip_msg_add_hdr(td->msg, (pjsip_hdr*)pjsip_hdr_clone(td->pool, r));
    }
    if (pjsua_var.acc[acc].cfg.force_contact.slen) {
        pj_str_t cn = { "Contact", 7 };
        pjsip_msg_add_hdr(td->msg, (pjsip_hdr*)pjsip_generic_string_hdr_create(td->pool, &cn, &pjsua_var.acc[acc].cfg.force_contact));
    }
    pj_list_init(&list);
    add_headers(td->pool, &list, headers);
    while (!pj_list_empty(&list)) {
        pjsip_hdr *h = list.next; pjsip_generic_string_hdr *g = (pjsip_generic_string_hdr*)h; pj_str_t rn = { "Route", 5 }, v;
        pj_list_erase(h);
        /* pjsip goes by a Route it knows as one */
        if (!pj_stricmp(&h->name, &rn)) { pj_strdup_with_null(td->pool, &v, &g->hvalue); h = pjsip_parse_hdr(td->pool, &rn, v.ptr, v.slen, NULL); }
        if (h) pjsip_msg_add_hdr(td->msg, h);
    }
    if (len > 0) td->msg->body = body_of(td->pool, ctype, body, len);
    return pjsip_endpt_send_request(pjsua_get_pjsip_endpt(), td, -1, (void*)(long)token, &sent_done);
}

int hf_request_send(int token, int acc, const char *method, const char *target, const char *from, const char *to, const char *headers, const char *ctype, const char *body, int len)
{
    return send_request(token, acc, method, target, from, "", to, "", "", -1, headers, ctype, body, len);
}

int hf_dialog_send(int token, int acc, const char *method, const char *target, const char *from, const char *from_tag, const char *to, const char *to_tag,
                   const char *call_id, int cseq, const char *headers, const char *ctype, const char *body, int len)
{
    return send_request(token, acc, method, target, from, from_tag, to, to_tag, call_id, cseq, headers, ctype, body, len);
}
