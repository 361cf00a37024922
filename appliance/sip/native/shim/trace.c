/* A ring of the last SIP messages, written on the SIP thread, read by anyone. */
#include "common.h"

typedef struct { unsigned long seq; double at; int sent, transport, len; char local[64], remote[64]; } trace_head;
static char *tr_buf; static size_t tr_size, tr_write, tr_first;    /* offsets of a byte ring; entries never wrap: the rest of the ring is skipped */
static unsigned long tr_seq, tr_first_seq = 1;
static unsigned long hint_seq; static size_t hint_off;                  /* where message hint_seq is, or will be written: a reader goes on without a scan */
static unsigned long tr_counts[6];
static pthread_mutex_t tr_lock = PTHREAD_MUTEX_INITIALIZER;
enum { TR_SKIP = -1 };

static size_t tr_room(int len) { return (sizeof(trace_head) + (size_t)len + 15) & ~(size_t)15; }

/* oldest entries go until `need` bytes at tr_write are free */
static void tr_make_room(size_t need)
{
    while (tr_first_seq <= tr_seq) {
        trace_head *h = (trace_head*)(tr_buf + tr_first);
        if (tr_first + sizeof(trace_head) > tr_size || h->len == TR_SKIP) { tr_first = 0; continue; }
        if (tr_first >= tr_write + need || tr_first < tr_write) break;
        tr_first += tr_room(h->len); tr_first_seq++;
        if (tr_first >= tr_size) tr_first = 0;
    }
}

static void tr_add(int sent, int transport, const char *local, int lport, const char *remote, int rport, const char *data, int len)
{
    struct timespec now; trace_head *h; size_t need;
    if (!tr_buf || len <= 0) return;
    if (len > PJSIP_MAX_PKT_LEN) len = PJSIP_MAX_PKT_LEN;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&tr_lock);
    need = tr_room(len);
    if (tr_write + need > tr_size) {
        tr_make_room(tr_size - tr_write);
        if (tr_write + sizeof(trace_head) <= tr_size) ((trace_head*)(tr_buf + tr_write))->len = TR_SKIP;
        tr_write = 0;
        if (hint_seq == tr_seq + 1) hint_off = 0;                         /* the old place will hold the middle of something else */
        if (tr_first_seq > tr_seq) tr_first = 0;
    }
    tr_make_room(need);
    if (tr_first_seq > tr_seq) tr_first = tr_write;
    h = (trace_head*)(tr_buf + tr_write);
    h->seq = ++tr_seq; h->at = now.tv_sec + now.tv_nsec / 1e9; h->sent = sent; h->transport = transport; h->len = len;
    snprintf(h->local, sizeof h->local, strchr(local, ':') ? "[%s]:%d" : "%s:%d", local, lport);
    snprintf(h->remote, sizeof h->remote, strchr(remote, ':') ? "[%s]:%d" : "%s:%d", remote, rport);
    memcpy((char*)(h + 1), data, len);
    tr_write += need;
    pthread_mutex_unlock(&tr_lock);
}

long hf_trace_read(unsigned long after, unsigned long *seq, double *at, int *sent, int *transport, char *local, char *remote, char *data, int len)
{
    long n = 0; size_t at_off; unsigned long s;
    pthread_mutex_lock(&tr_lock);
    if (tr_buf && after < tr_seq) {
        int hinted = hint_seq == after + 1 && hint_seq >= tr_first_seq;
        at_off = hinted ? hint_off : tr_first;
        for (s = hinted ? hint_seq : tr_first_seq; s <= tr_seq; s++) {
            trace_head *h = (trace_head*)(tr_buf + at_off);
            if (at_off + sizeof(trace_head) > tr_size || h->len == TR_SKIP) { at_off = 0; h = (trace_head*)tr_buf; }
            if (h->seq > after) {
                *seq = h->seq; *at = h->at; *sent = h->sent; *transport = h->transport; n = h->len;
                memcpy(local, h->local, sizeof h->local); memcpy(remote, h->remote, sizeof h->remote);
                memcpy(data, h + 1, n < len ? n : len);
                hint_seq = h->seq + 1; hint_off = (size_t)((char*)h - tr_buf) + tr_room(h->len);
                /* the next message may have been put at the start already: now, while its forerunner stands, the mark that says so does, too */
                if (hint_off + sizeof(trace_head) > tr_size || (hint_seq <= tr_seq && ((trace_head*)(tr_buf + hint_off))->len == TR_SKIP)) hint_off = 0;
                break;
            }
            at_off += tr_room(h->len);
            if (at_off >= tr_size) at_off = 0;
        }
    }
    pthread_mutex_unlock(&tr_lock);
    return n;
}

static int tp_kind(pjsip_transport *tp) { int t = (int)tp->key.type & ~PJSIP_TRANSPORT_IPV6; return t == PJSIP_TRANSPORT_TCP ? 1 : t == PJSIP_TRANSPORT_TLS ? 2 : 0; }

static pj_bool_t tr_rx(pjsip_rx_data *rd)
{
    pjsip_transport *tp = rd->tp_info.transport; char local[PJ_INET6_ADDRSTRLEN + 8];
    tr_counts[rd->msg_info.msg->type == PJSIP_REQUEST_MSG ? 0 : 1]++;
    pj_sockaddr_print(&tp->local_addr, local, sizeof local, 0);
    tr_add(0, tp_kind(tp), local, pj_sockaddr_get_port(&tp->local_addr), rd->pkt_info.src_name, rd->pkt_info.src_port, rd->msg_info.msg_buf, rd->msg_info.len);
    return PJ_FALSE;
}
static pj_status_t tr_tx(pjsip_tx_data *td)
{
    pjsip_transport *tp = td->tp_info.transport; char local[PJ_INET6_ADDRSTRLEN + 8];
    tr_counts[td->msg->type == PJSIP_REQUEST_MSG ? 2 : 3]++;
    pj_sockaddr_print(&tp->local_addr, local, sizeof local, 0);
    tr_add(1, tp_kind(tp), local, pj_sockaddr_get_port(&tp->local_addr), td->tp_info.dst_name, td->tp_info.dst_port, td->buf.start, (int)(td->buf.cur - td->buf.start));
    return PJ_SUCCESS;
}
static pjsip_module tr_mod = { NULL, NULL, { "mod-hf-trace", 12 }, -1, PJSIP_MOD_PRIORITY_TRANSPORT_LAYER - 1, NULL, NULL, NULL, NULL, &tr_rx, &tr_rx, &tr_tx, &tr_tx, NULL };

int hf_trace_install(int bytes)
{
    tr_size = ((size_t)bytes + 15) & ~(size_t)15;
    tr_buf = calloc(1, tr_size);
    return tr_buf ? pjsip_endpt_register_module(pjsua_get_pjsip_endpt(), &tr_mod) : ENOMEM;
}
