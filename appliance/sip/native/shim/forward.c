/* Audio between two calls: RTP handed from socket to socket where codec and packet time agree, else through the conference bridge.
 *
 * An adapter ("leg") sits outermost on every call's media transport (stream -> leg -> SRTP -> UDP). Linked legs hand packets to each other, plain
 * (SRTP below decrypts and encrypts again), in one of two ways: in pjmedia's own thread (any transport), or, for plain RTP, in an epoll thread of
 * ours on the UDP sockets. The far end always sees one SSRC with continuous sequence and timestamps (RFC 3550): the leg rewrites all it sends, from
 * its stream or from its peer, with an offset fixed anew at each change of source, so switching in mid-call makes no break.
 */
#include "common.h"

enum { SRC_NONE, SRC_STREAM, SRC_PEER };
enum { OFF, IN_PJMEDIA, IN_POLLER };

typedef struct leg {
    pjmedia_transport base;
    pj_pool_t *pool;
    pjmedia_transport *slave, *udp;
    int call; unsigned idx;
    void *s_user; void (*s_rtp)(void*, void*, pj_ssize_t); void (*s_rtp2)(pjmedia_tp_cb_param*); void (*s_rtcp)(void*, void*, pj_ssize_t);
    pj_sockaddr rem, rem_rtcp;
    struct leg *peer; int mode, relayed;                                  /* relayed: what was last decided; it stays while media stops */
    unsigned rate, rx_pt, tx_pt, rx_ev, tx_ev, conf_slot;
    int src; pj_uint32_t out_ssrc, src_ssrc; pj_uint16_t dseq, last_seq; pj_uint32_t dts, last_ts; struct timespec last_t; int sent, mark;   /* what we send */
    pj_uint32_t rx_ssrc, rx_ts; pj_uint16_t rx_seq; int rx_any; unsigned long rx_n, rx_lost, rx_bursts, tx_n; double rx_arrival, jitter; unsigned strangers; long long heard_ms;  /* what we get */
    int two_way, rx_cn; double rx_at, gap, hole;                             /* silences of the far end count while both may speak, and it sends no comfort noise */
    unsigned long tx_gaps;                                                /* packets missing in what we pass on: lost before they came to us */
    int rr_any, rr_raw; long rr_lost; unsigned long rr_sent, rr_gaps; pj_uint32_t rr_jitter, sr_mid; double sr_at, rtt;  /* what the far end reports of what it gets */
    pj_uint32_t dtmf_ts; int dtmf_any;
    int fd, fd_rtcp; pj_sockaddr dst, dst_rtcp; unsigned dst_len;
    int raw, raw_heard; pj_sockaddr raw_dst;                              /* UDPTL instead of RTP (fax.c) */
} leg;

static pthread_rwlock_t fw_lock = PTHREAD_RWLOCK_INITIALIZER;
static unsigned long fw_made, fw_freed, fw_links;

static pj_uint16_t g16(const pj_uint8_t *p) { return (pj_uint16_t)(p[0] << 8 | p[1]); }
static pj_uint32_t g32(const pj_uint8_t *p) { return (pj_uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static void p16(pj_uint8_t *p, pj_uint16_t v) { p[0] = v >> 8; p[1] = (pj_uint8_t)v; }
static void p32(pj_uint8_t *p, pj_uint32_t v) { p[0] = v >> 24; p[1] = v >> 16; p[2] = v >> 8; p[3] = (pj_uint8_t)v; }

static double seconds(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }

/* one outgoing packet of leg o, whatever its source, as part of one continuous stream */
static void out_fix(leg *o, pj_uint8_t *p, int src)
{
    pj_uint16_t seq = g16(p + 2); pj_uint32_t ts = g32(p + 4), ssrc = g32(p + 8);
    if (o->src != src || o->src_ssrc != ssrc) {
        struct timespec now; clock_gettime(CLOCK_MONOTONIC, &now);
        if (!o->sent) { o->dseq = 0; o->dts = 0; if (!o->out_ssrc) o->out_ssrc = ssrc; }
        else {
            double dt = (now.tv_sec - o->last_t.tv_sec) + (now.tv_nsec - o->last_t.tv_nsec) / 1e9;
            pj_uint32_t step = (pj_uint32_t)(dt * o->rate); if (step < o->rate / 50) step = o->rate / 50;
            o->dseq = (pj_uint16_t)(o->last_seq + 1 - seq); o->dts = o->last_ts + step - ts; o->mark = 1;
        }
        o->src = src; o->src_ssrc = ssrc;
    }
    seq += o->dseq; ts += o->dts;
    p16(p + 2, seq); p32(p + 4, ts); p32(p + 8, o->out_ssrc);
    if (o->mark) { p[1] |= 0x80; o->mark = 0; }
    if (!o->sent || (pj_int16_t)(seq - o->last_seq) > 0) {                /* only forward: the source may reorder */
        if (o->sent && (pj_uint16_t)(seq - o->last_seq) < 3000) o->tx_gaps += (pj_uint16_t)(seq - o->last_seq) - 1;
        o->last_seq = seq; o->last_ts = ts; o->sent = 1;
        clock_gettime(CLOCK_MONOTONIC_COARSE, &o->last_t);
    } else if (o->tx_gaps) o->tx_gaps--;
    o->tx_n++;
}

/* counters of what the far end sends (RFC 3550 A.1, A.8), in either mode */
static void count_rx(leg *a, const pj_uint8_t *p)
{
    pj_uint16_t seq = g16(p + 2); pj_uint32_t ts = g32(p + 4); double arrival = seconds();
    int whole = 0;
    a->rx_n++;
    if (a->rx_any && g32(p + 8) == a->rx_ssrc) {
        pj_int16_t d = (pj_int16_t)(seq - a->rx_seq);
        if (d > 1 && d < 3000) { a->rx_lost += d - 1; a->rx_bursts++; } else if (d < 0 && d > -100 && a->rx_lost) a->rx_lost--;
        if (d > 0) a->rx_seq = seq;
        whole = d == 1;                                                    /* nothing is missing: late, muted, or silence was not sent (RFC 3551 4.1) */
    } else { a->rx_any = 1; a->rx_ssrc = g32(p + 8); a->rx_seq = seq; a->rx_arrival = 0; }
    if (a->two_way && !a->rx_cn && arrival - a->rx_at > a->gap) a->gap = arrival - a->rx_at;
    if (a->two_way && !a->rx_cn && !whole && arrival - a->rx_at > a->hole) a->hole = arrival - a->rx_at;
    a->rx_at = arrival; a->rx_cn = (p[1] & 127) == 13;
    if ((p[1] & 127) == a->rx_pt && a->rate) {
        if (a->rx_arrival > 0) {
            double d = (arrival - a->rx_arrival) - (double)(pj_int32_t)(ts - a->rx_ts) / a->rate;
            if (d < 0) d = -d;
            if (d < 1) a->jitter += (d - a->jitter) / 16;
        }
        a->rx_arrival = arrival; a->rx_ts = ts;
    }
}

/* digits seen in passing and payload types as the other side knows them; 1 = send on */
static int in_rtp(leg *a, leg *b, pj_uint8_t *p, int n)
{
    unsigned pt = p[1] & 127;
    if (p[0] >> 6 != 2) return 0;
    if (pt == a->rx_pt) pt = b->tx_pt;
    else if (a->rx_ev && pt == a->rx_ev) {
        unsigned h = 12 + 4 * (p[0] & 15);
        if ((int)h + 4 <= n && (p[h + 1] & 0x80)) {                        /* end bit: sent three times with one timestamp (RFC 4733 2.5.1.4) */
            pj_uint32_t ts = g32(p + 4); static const char digits[] = "0123456789*#ABCD";
            if ((!a->dtmf_any || a->dtmf_ts != ts) && p[h] < 16) { a->dtmf_any = 1; a->dtmf_ts = ts; ev_push(HF_EV_DIGIT, a->call, digits[p[h]], (int)(g16(p + h + 2) * 1000 / (a->rate ? a->rate : 8000))); }
        }
        if (!b->tx_ev) return 0;                                           /* the other side knows no telephone-event: never send an unknown type */
        pt = b->tx_ev;
    } else if (pt != 13) return 0;
    p[1] = (p[1] & 0x80) | pt;
    return 1;
}

/* what A's far end says of the stream we send it (RFC 3550 6.4.1), forwarded or ours */
static void heard_report(leg *a, const pj_uint8_t *block)
{
    int raw = (int)(g32(block + 4) << 8) >> 8, more = raw - a->rr_raw; pj_uint32_t lsr = g32(block + 16); double rtt;   /* cumulative, 24 bits signed */
    if (a->rr_any && more < 0 && raw < a->rr_raw / 2) more = raw;          /* a far end that counts anew, as after a hold */
    a->rr_lost += more; if (a->rr_lost < 0) a->rr_lost = 0;
    a->rr_raw = raw; a->rr_any = 1; a->rr_jitter = g32(block + 12); a->rr_sent = a->tx_n; a->rr_gaps = a->tx_gaps;
    if (!lsr || lsr != a->sr_mid) return;
    rtt = seconds() - a->sr_at - g32(block + 20) / 65536.0;
    if (rtt >= 0 && rtt < 10) a->rtt = rtt;
}
static void heard_rtcp(leg *a, const pj_uint8_t *p, int n)
{
    int o = 0;
    while (o + 8 <= n) {
        int len = 4 * (g16(p + o + 2) + 1), cnt = p[o] & 31, rb; unsigned pt = p[o + 1];
        if (p[o] >> 6 != 2 || o + len > n) return;
        if (pt == 200 || pt == 201)
            for (rb = o + (pt == 200 ? 28 : 8); cnt-- > 0 && rb + 24 <= o + len; rb += 24) if (g32(p + rb) == a->out_ssrc) heard_report(a, p + rb);
        o += len;
    }
}

/* RTCP of A's far end on its way to B's: SSRCs, RTP time and sequence numbers as each side knows them */
static int fix_rtcp(leg *a, leg *b, pj_uint8_t *p, int n)
{
    int o = 0;
    heard_rtcp(a, p, n);
    while (o + 8 <= n) {
        int len = 4 * (g16(p + o + 2) + 1), cnt = p[o] & 31, rb; unsigned pt = p[o + 1];
        if (p[o] >> 6 != 2 || o + len > n) return 0;
        if (pt >= 200 && pt <= 207) p32(p + o + 4, b->out_ssrc);
        if (pt == 200 && len >= 28) { p32(p + o + 16, g32(p + o + 16) + b->dts); b->sr_mid = g32(p + o + 10); b->sr_at = seconds(); }
        if (pt == 200 || pt == 201)
            for (rb = o + (pt == 200 ? 28 : 8); cnt-- > 0 && rb + 24 <= o + len; rb += 24)
                if (g32(p + rb) == a->out_ssrc) { p32(p + rb, b->rx_ssrc); p32(p + rb + 8, g32(p + rb + 8) - a->dseq); }
        o += len;
    }
    return o == n;
}
static int is_rtcp(const pj_uint8_t *p) { return p[1] >= 192 && p[1] <= 223; }

enum { NOT_HIS, HIS, MOVED };
enum { SILENCE_MS = 500, PROBATION = 10 };
/* Symmetric RTP: the first packet ever moves the destination to its sender, later on ten of another address do, yet only once the known one has fallen
   silent: who merely sends more than the peer gets neither heard nor the peer's audio. The address of the SDP is always right. */
static int sender(leg *a, const pj_sockaddr *src)
{
    struct timespec now; long long ms;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now); ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000 + 1;
    if (!pj_sockaddr_cmp(&a->dst, src)) { a->strangers = 0; a->heard_ms = ms; return HIS; }
    if (a->heard_ms && pj_sockaddr_cmp(&a->rem, src) && (ms - a->heard_ms < SILENCE_MS || ++a->strangers < PROBATION)) return NOT_HIS;
    pj_sockaddr_cp(&a->dst, src); a->strangers = 0; a->heard_ms = ms;
    return MOVED;
}
static int same_host(const pj_sockaddr *x, const pj_sockaddr *y)
{
    return x->addr.sa_family == y->addr.sa_family && !memcmp(pj_sockaddr_get_addr(x), pj_sockaddr_get_addr(y), pj_sockaddr_get_addr_len(x));
}

/* ---- in pjmedia's thread */

static void on_rtp(pjmedia_tp_cb_param *prm)
{
    leg *a = prm->user_data, *b; pj_uint8_t *p = prm->pkt; int rtp = prm->size >= 12 && !is_rtcp(p), who = HIS;
    if (!a) return;
    if (rtp && prm->src_addr && (who = sender(a, prm->src_addr)) == NOT_HIS) return;
    pthread_rwlock_rdlock(&fw_lock); b = a->peer;
    if (b && a->mode == IN_PJMEDIA && prm->size >= 12) {
        if (!rtp) { if (fix_rtcp(a, b, p, (int)prm->size)) pjmedia_transport_send_rtcp(b->slave, p, prm->size); }
        else {
            if (who == MOVED) prm->rem_switch = PJ_TRUE;
            count_rx(a, p);
            if (in_rtp(a, b, p, (int)prm->size)) { out_fix(b, p, SRC_PEER); pjmedia_transport_send_rtp(b->slave, p, prm->size); }
        }
        pthread_rwlock_unlock(&fw_lock); return;
    }
    pthread_rwlock_unlock(&fw_lock);
    if (rtp) count_rx(a, p);
    if (a->s_rtp2) { pjmedia_tp_cb_param q = *prm; q.user_data = a->s_user; a->s_rtp2(&q); prm->rem_switch = q.rem_switch || who == MOVED; }
    else if (a->s_rtp) a->s_rtp(a->s_user, prm->pkt, prm->size);
}
static void on_rtcp(void *user, void *pkt, pj_ssize_t n)
{
    leg *a = user, *b; if (!a) return;
    pthread_rwlock_rdlock(&fw_lock); b = a->peer;
    if (b && a->mode == IN_PJMEDIA && n > 0) { if (fix_rtcp(a, b, pkt, (int)n)) pjmedia_transport_send_rtcp(b->slave, pkt, n); pthread_rwlock_unlock(&fw_lock); return; }
    pthread_rwlock_unlock(&fw_lock);
    if (n > 0) heard_rtcp(a, pkt, (int)n);
    if (a->s_rtcp) a->s_rtcp(a->s_user, pkt, n);
}

/* ---- our own poller */

static int epfd = -1; static pthread_t poll_thread;
enum { MAXFD = 65536 };
static leg *by_fd[MAXFD];                       /* an event already fetched may name a socket that is gone: looked up under the lock */

static void one_packet(leg *a, int rtcp)
{
    pj_uint8_t buf[PJMEDIA_MAX_MTU]; pj_sockaddr src; socklen_t sl = sizeof src; leg *b = a->peer;
    ssize_t n = recvfrom(rtcp ? a->fd_rtcp : a->fd, buf, sizeof buf, MSG_DONTWAIT, (struct sockaddr*)&src, &sl);
    if (a->raw) {
        /* sound still on its way is none of the fax; the first sender stays the one, as behind NAT the SDP's address may be another */
        if (n <= 0 || rtcp || !b || (n >= 12 && buf[0] == 0x80 && (buf[1] & 127) == a->rx_pt) || (a->raw_heard && pj_sockaddr_cmp(&a->raw_dst, &src))) return;
        if (!a->raw_heard) { pj_sockaddr_cp(&a->raw_dst, &src); a->raw_heard = 1; }
        a->rx_n++; b->tx_n++;
        sendto(b->fd, buf, n, MSG_DONTWAIT, (struct sockaddr*)&b->raw_dst, pj_sockaddr_get_len(&b->raw_dst));
        return;
    }
    if (n < 8 || !b) return;
    if (rtcp || is_rtcp(buf)) { if (same_host(&src, &a->dst) && fix_rtcp(a, b, buf, (int)n)) sendto(rtcp ? b->fd_rtcp : b->fd, buf, n, MSG_DONTWAIT, (struct sockaddr*)&b->dst_rtcp, b->dst_len); return; }
    if (n < 12) return;
    if (sender(a, &src) == NOT_HIS) return;
    count_rx(a, buf);
    if (!in_rtp(a, b, buf, (int)n)) return;
    out_fix(b, buf, SRC_PEER);
    sendto(b->fd, buf, n, MSG_DONTWAIT, (struct sockaddr*)&b->dst, b->dst_len);
}
static void *poller(void *x)
{
    struct epoll_event ev[256]; int i, n; pj_thread_desc desc; pj_thread_t *self;
    pj_bzero(desc, sizeof desc);
    pj_thread_register("hf-rtp", desc, &self);
    for (;;) {
        n = epoll_wait(epfd, ev, 256, -1);
        if (n <= 0) { if (n < 0 && errno != EINTR) return x; continue; }
        pthread_rwlock_rdlock(&fw_lock);
        for (i = 0; i < n; i++) { leg *a = by_fd[ev[i].data.fd]; if (a && a->mode == IN_POLLER) one_packet(a, ev[i].data.fd == a->fd_rtcp); }
        pthread_rwlock_unlock(&fw_lock);
    }
}
static void ep_add(leg *a)
{
    struct epoll_event e = { EPOLLIN, { .fd = a->fd } };
    by_fd[a->fd] = by_fd[a->fd_rtcp] = a;
    epoll_ctl(epfd, EPOLL_CTL_ADD, a->fd, &e); e.data.fd = a->fd_rtcp; epoll_ctl(epfd, EPOLL_CTL_ADD, a->fd_rtcp, &e);
}
static void ep_del(leg *a) { by_fd[a->fd] = by_fd[a->fd_rtcp] = NULL; epoll_ctl(epfd, EPOLL_CTL_DEL, a->fd, NULL); epoll_ctl(epfd, EPOLL_CTL_DEL, a->fd_rtcp, NULL); }

/* `restart`: pjmedia goes on reading leg a (false while pjsua stops or restarts it by itself) */
static void unlink_pair(leg *a, int restart)
{
    leg *b, *x[2]; int i, mode;
    pthread_rwlock_wrlock(&fw_lock); b = a->peer; mode = a->mode;
    if (!b) { pthread_rwlock_unlock(&fw_lock); return; }
    if (mode == IN_POLLER) { ep_del(a); ep_del(b); }
    a->peer = b->peer = NULL; a->mode = b->mode = OFF; a->raw = b->raw = 0;
    pthread_rwlock_unlock(&fw_lock);
    x[0] = a; x[1] = b;
    for (i = 0; i < 2; i++) {
        if (!restart && x[i] == a) continue;
        if (mode == IN_POLLER) pjmedia_transport_media_start(x[i]->udp, NULL, NULL, NULL, x[i]->idx);
        if (x[i]->conf_slot != (unsigned)PJSUA_INVALID_ID) pjmedia_conf_configure_port(pjsua_var.mconf, x[i]->conf_slot, PJMEDIA_PORT_ENABLE, PJMEDIA_PORT_ENABLE);
    }
}

/* pjsua closes the transport before it tells that the call is over: its last figures, until another call takes the slot */
static hf_quality finals[PJSUA_MAX_CALLS];
static void stats_forget(int call) { memset(&finals[call], 0, sizeof finals[call]); }
static void fill(leg *a, hf_quality *q)
{
    memset(q, 0, sizeof *q);
    q->call = a->call; q->forwarded = a->relayed; q->rx = a->rx_n; q->rx_lost = a->rx_lost; q->rx_bursts = a->rx_bursts; q->rx_jitter_ms = a->jitter * 1000;
    q->tx = a->tx_n; q->reported = a->rr_any; q->tx_lost = a->rr_lost; q->tx_of = a->rr_sent; q->tx_gaps = a->rr_gaps;
    q->tx_jitter_ms = a->rate ? 1000.0 * a->rr_jitter / a->rate : 0; q->rtt_ms = a->rtt * 1000;
    q->gap_s = a->gap; q->hole_s = a->hole;
    if (a->two_way && !a->raw && !a->rx_cn) q->silent_s = seconds() - a->rx_at;
}

/* ---- the adapter's transport operations */

static pj_status_t t_info(pjmedia_transport *t, pjmedia_transport_info *i) { return pjmedia_transport_get_info(((leg*)t)->slave, i); }
static pj_status_t t_attach2(pjmedia_transport *t, pjmedia_transport_attach_param *p)
{
    leg *a = (leg*)t; pjmedia_transport_attach_param q = *p; pj_status_t s;
    a->s_user = p->user_data; a->s_rtp = p->rtp_cb; a->s_rtp2 = p->rtp_cb2; a->s_rtcp = p->rtcp_cb;
    pj_sockaddr_cp(&a->rem, &p->rem_addr); pj_sockaddr_cp(&a->dst, &p->rem_addr);
    a->strangers = 0; a->heard_ms = 0;
    a->two_way = 0; a->rx_at = seconds(); a->rx_cn = 0;                   /* silence counts anew, once it is known who may speak */
    if (pj_sockaddr_has_addr(&p->rem_rtcp)) pj_sockaddr_cp(&a->rem_rtcp, &p->rem_rtcp);
    else { pj_sockaddr_cp(&a->rem_rtcp, &p->rem_addr); pj_sockaddr_set_port(&a->rem_rtcp, (pj_uint16_t)(pj_sockaddr_get_port(&p->rem_addr) + 1)); }
    if (a->src == SRC_STREAM) a->src = SRC_NONE;                          /* a new stream: fix the offsets anew */
    q.user_data = a; q.rtp_cb = NULL; q.rtp_cb2 = &on_rtp; q.rtcp_cb = &on_rtcp;
    s = pjmedia_transport_attach2(a->slave, &q);
    if (s != PJ_SUCCESS) { a->s_user = NULL; a->s_rtp = NULL; a->s_rtp2 = NULL; a->s_rtcp = NULL; }
    return s;
}
static void t_detach(pjmedia_transport *t, void *strm)
{
    leg *a = (leg*)t; PJ_UNUSED_ARG(strm);
    unlink_pair(a, 0);
    if (a->s_user) { pjmedia_transport_detach(a->slave, a); a->s_user = NULL; a->s_rtp = NULL; a->s_rtp2 = NULL; a->s_rtcp = NULL; }
}
static pj_status_t t_send_rtp(pjmedia_transport *t, const void *pkt, pj_size_t n)
{
    leg *a = (leg*)t; pj_uint8_t buf[PJMEDIA_MAX_MTU]; int mute;
    if (n < 12 || n > sizeof buf) return pjmedia_transport_send_rtp(a->slave, pkt, n);
    memcpy(buf, pkt, n);
    pthread_rwlock_rdlock(&fw_lock);
    mute = a->peer != NULL;                                               /* forwarding: the stream is silent */
    if (!mute) out_fix(a, buf, SRC_STREAM);
    pthread_rwlock_unlock(&fw_lock);
    return mute ? PJ_SUCCESS : pjmedia_transport_send_rtp(a->slave, buf, n);
}
static pj_status_t t_send_rtcp2(pjmedia_transport *t, const pj_sockaddr_t *ad, unsigned al, const void *pkt, pj_size_t n)
{
    leg *a = (leg*)t; pj_uint8_t buf[PJMEDIA_MAX_MTU];
    if (a->peer) return PJ_SUCCESS;                                       /* the far ends' own reports pass */
    if (n >= 28 && n <= sizeof buf && a->out_ssrc) { memcpy(buf, pkt, n); p32(buf + 4, a->out_ssrc); if (buf[1] == 200) { p32(buf + 16, g32(buf + 16) + a->dts); a->sr_mid = g32(buf + 10); a->sr_at = seconds(); } pkt = buf; }
    return pjmedia_transport_send_rtcp2(a->slave, ad, al, pkt, n);
}
static pj_status_t t_send_rtcp(pjmedia_transport *t, const void *pkt, pj_size_t n) { return t_send_rtcp2(t, NULL, 0, pkt, n); }
static pj_status_t t_create(pjmedia_transport *t, pj_pool_t *p, unsigned o, const pjmedia_sdp_session *r, unsigned i) { return pjmedia_transport_media_create(((leg*)t)->slave, p, o, r, i); }
static pj_status_t t_sdp(pjmedia_transport *t, pj_pool_t *p, pjmedia_sdp_session *l, const pjmedia_sdp_session *r, unsigned i) { return pjmedia_transport_encode_sdp(((leg*)t)->slave, p, l, r, i); }
/* pjsua starts the transport again at every offer/answer: give the sockets back first; hf_join links anew in the media event */
static pj_status_t t_start(pjmedia_transport *t, pj_pool_t *p, const pjmedia_sdp_session *l, const pjmedia_sdp_session *r, unsigned i) { unlink_pair((leg*)t, 1); return pjmedia_transport_media_start(((leg*)t)->slave, p, l, r, i); }
static pj_status_t t_stop(pjmedia_transport *t) { unlink_pair((leg*)t, 0); return pjmedia_transport_media_stop(((leg*)t)->slave); }
static pj_status_t t_lost(pjmedia_transport *t, pjmedia_dir d, unsigned p) { return pjmedia_transport_simulate_lost(((leg*)t)->slave, d, p); }
static void on_freed(void *x) { __atomic_fetch_add(&fw_freed, 1, __ATOMIC_RELAXED); pj_pool_release(((leg*)x)->pool); }
static pj_status_t t_destroy(pjmedia_transport *t)
{
    leg *a = (leg*)t; pj_grp_lock_t *g = a->base.grp_lock;
    fill(a, &finals[a->call]);
    unlink_pair(a, 0);
    pjmedia_transport_close(a->slave);
    if (g) pj_grp_lock_dec_ref(g); else on_freed(a);
    return PJ_SUCCESS;
}
static struct pjmedia_transport_op leg_ops = { &t_info, NULL, &t_detach, &t_send_rtp, &t_send_rtcp, &t_send_rtcp2, &t_create, &t_sdp, &t_start, &t_stop, &t_lost, &t_destroy, &t_attach2 };

static pjmedia_transport *on_create(pjsua_call_id call, unsigned idx, pjmedia_transport *base, unsigned flags)
{
    pj_pool_t *pool = pjmedia_endpt_create_pool(pjsua_var.med_endpt, "leg%p", 1000, 1000); leg *a; PJ_UNUSED_ARG(flags);
    if (!pool) return base;
    a = PJ_POOL_ZALLOC_T(pool, leg); a->pool = pool; a->slave = base; a->call = call; a->idx = idx; a->conf_slot = (unsigned)PJSUA_INVALID_ID; a->rate = 8000; a->fd = a->fd_rtcp = -1;
    pj_ansi_strxcpy(a->base.name, pool->obj_name, sizeof a->base.name);
    a->base.type = (pjmedia_transport_type)(PJMEDIA_TRANSPORT_TYPE_USER + 7); a->base.op = &leg_ops;
    if (base->grp_lock) { a->base.grp_lock = base->grp_lock; pj_grp_lock_add_ref(base->grp_lock); pj_grp_lock_add_handler(base->grp_lock, pool, a, &on_freed); }
    stats_forget(call);
    __atomic_fetch_add(&fw_made, 1, __ATOMIC_RELAXED);
    return &a->base;
}

static leg *leg_of(int call)
{
    pjsua_call *c; unsigned i;
    if (call < 0 || call >= (int)pjsua_var.ua_cfg.max_calls) return NULL;
    c = &pjsua_var.calls[call];
    for (i = 0; i < c->med_cnt; i++) if (c->media[i].type == PJMEDIA_TYPE_AUDIO && c->media[i].tp && c->media[i].tp->op == &leg_ops) return (leg*)c->media[i].tp;
    return NULL;
}
static int learn(leg *a, pjmedia_stream_info *si, unsigned *ptime)
{
    pjsua_call_media *m = &pjsua_var.calls[a->call].media[a->idx];
    if (!m->strm.a.stream || pjmedia_stream_get_info(m->strm.a.stream, si) != PJ_SUCCESS) return -1;
    a->rate = !pj_stricmp2(&si->fmt.encoding_name, "G722") ? 8000 : si->fmt.clock_rate;    /* G.722's RTP clock is 8 kHz (RFC 3551 4.5.2) */
    a->rx_pt = si->rx_pt; a->tx_pt = si->tx_pt;
    a->rx_ev = si->rx_event_pt > 0 ? si->rx_event_pt : 0; a->tx_ev = si->tx_event_pt > 0 ? si->tx_event_pt : 0;
    a->two_way = si->dir == PJMEDIA_DIR_ENCODING_DECODING; a->conf_slot = m->strm.a.conf_slot; if (!a->out_ssrc) a->out_ssrc = si->ssrc;
    *ptime = si->param ? si->param->info.frm_ptime * si->param->setting.frm_per_pkt : 20;
    return si->dir == PJMEDIA_DIR_ENCODING_DECODING;
}

/* find the leg's sockets; the mode they allow: plain RTP on UDP can be polled here */
static int sockets_of(leg *l, int *secured)
{
    pjmedia_transport_info ti; unsigned k;
    pjmedia_transport_info_init(&ti); pjmedia_transport_get_info(l->slave, &ti);
    l->udp = l->slave; l->fd = (int)ti.sock_info.rtp_sock; l->fd_rtcp = (int)ti.sock_info.rtcp_sock;
    for (k = 0; k < ti.specific_info_cnt; k++)
        if (ti.spc_info[k].type == PJMEDIA_TRANSPORT_TYPE_SRTP) {
            *secured |= ((pjmedia_srtp_info*)ti.spc_info[k].buffer)->active;
            l->udp = pjmedia_transport_srtp_get_member(l->slave);
        }
    return l->fd >= 0 && l->fd < MAXFD && l->fd_rtcp >= 0 && l->fd_rtcp < MAXFD && l->udp && l->udp->type == PJMEDIA_TRANSPORT_TYPE_UDP && epfd >= 0;
}
static void link_pair(leg *a, leg *b, int mode, int raw)
{
    leg *x[2] = { a, b }; int i;
    for (i = 0; i < 2; i++)
        if (x[i]->conf_slot != (unsigned)PJSUA_INVALID_ID) pjmedia_conf_configure_port(pjsua_var.mconf, x[i]->conf_slot, PJMEDIA_PORT_DISABLE, PJMEDIA_PORT_DISABLE);
    if (mode == IN_POLLER) { pjmedia_transport_media_stop(a->udp); pjmedia_transport_media_stop(b->udp); }
    pthread_rwlock_wrlock(&fw_lock);
    a->peer = b; b->peer = a; a->relayed = b->relayed = 1; a->mode = b->mode = mode; a->raw = b->raw = raw; fw_links++;
    if (mode == IN_POLLER) { ep_add(a); ep_add(b); }
    pthread_rwlock_unlock(&fw_lock);
}

/* 1 linked, 0 must be bridged */
static int forward(leg *a, leg *b)
{
    leg *x[2] = { a, b }; pjmedia_stream_info si[2]; unsigned ptime[2]; int i, mode = IN_POLLER, secured = 0;
    if (a->peer == b) return 1;
    for (i = 0; i < 2; i++) if (learn(x[i], &si[i], &ptime[i]) != 1) return 0;
    if (pj_stricmp(&si[0].fmt.encoding_name, &si[1].fmt.encoding_name) || si[0].fmt.clock_rate != si[1].fmt.clock_rate || si[0].fmt.channel_cnt != si[1].fmt.channel_cnt || ptime[0] != ptime[1]) return 0;
    if (!a->tx_ev != !b->tx_ev) return 0;                                  /* digits must become INFO, or come from it: that is done on the bridge */
    if (a->peer) unlink_pair(a, 1);
    if (b->peer) unlink_pair(b, 1);
    for (i = 0; i < 2; i++) {
        if (!sockets_of(x[i], &secured)) mode = IN_PJMEDIA;
        pj_sockaddr_cp(&x[i]->dst_rtcp, &x[i]->rem_rtcp); x[i]->dst_len = pj_sockaddr_get_len(&x[i]->rem);
    }
    link_pair(a, b, secured ? IN_PJMEDIA : mode, 0);
    return 1;
}
/* Datagrams as they are between two legs, to the addresses given; 0 when these sockets cannot. Secured sound is no hindrance: UDPTL goes in the clear. */
static int relay(leg *a, leg *b, const pj_sockaddr *to_a, const pj_sockaddr *to_b)
{
    pjmedia_stream_info si; unsigned ptime; int secured = 0;
    learn(a, &si, &ptime); learn(b, &si, &ptime);                         /* the payload type of what is to be told from UDPTL */
    if (a->peer) unlink_pair(a, 1);
    if (b->peer) unlink_pair(b, 1);
    if (!sockets_of(a, &secured) || !sockets_of(b, &secured)) return 0;
    pj_sockaddr_cp(&a->raw_dst, to_a); pj_sockaddr_cp(&b->raw_dst, to_b); a->raw_heard = b->raw_heard = 0;
    link_pair(a, b, IN_POLLER, 1);
    return 1;
}

/* ---- what Python asks for */

static int conf_of(int call)
{
    line *l = line_of(call); pjsua_call *c;
    if (l || call >= PJSUA_MAX_CALLS) return l ? l->slot : PJSUA_INVALID_ID;
    c = &pjsua_var.calls[call];
    return c->audio_idx >= 0 && c->med_cnt ? c->media[c->audio_idx].strm.a.conf_slot : PJSUA_INVALID_ID;
}
/* on the bridge, or about to be: a call with an adapter, or a line */
static int audible(int call) { return leg_of(call) || line_of(call); }
static void to_bridge(leg *a) { if (a && a->peer) unlink_pair(a, 1); if (a) a->relayed = 0; }
static void bridge(int a, int b, int on)
{
    int x = conf_of(a), y = conf_of(b);
    if (x == PJSUA_INVALID_ID || y == PJSUA_INVALID_ID) return;
    if (on) { pjsua_conf_connect(x, y); pjsua_conf_connect(y, x); }
    else { pjsua_conf_disconnect(x, y); pjsua_conf_disconnect(y, x); }
}

int hf_join(int a, int b, int may_forward)
{
    leg *x = leg_of(a), *y = leg_of(b);
    if (!audible(a) || !audible(b) || conf_of(a) == PJSUA_INVALID_ID || conf_of(b) == PJSUA_INVALID_ID) return -1;
    if (may_forward && x && y && forward(x, y)) return 0;
    to_bridge(x); to_bridge(y);
    bridge(a, b, 1);
    return 1;
}
void hf_part_calls(int a, int b)
{
    leg *x = leg_of(a), *y = leg_of(b);
    if (x && x->peer && x->peer == y) unlink_pair(x, 1);
    if (x) x->relayed = 0;
    if (y) y->relayed = 0;
    if (audible(a) && audible(b)) bridge(a, b, 0);
}

int hf_listen(int speaker, int listener)
{
    int x, y;
    if (!audible(speaker) || !audible(listener)) return -1;
    x = conf_of(speaker); y = conf_of(listener);
    return x != PJSUA_INVALID_ID && y != PJSUA_INVALID_ID && pjsua_conf_connect(x, y) == PJ_SUCCESS ? 0 : -1;
}

static void media_learn(int call) { leg *a = leg_of(call); pjmedia_stream_info si; unsigned ptime; if (a) learn(a, &si, &ptime); }
/* answered: what was silent while it rang does not count */
static void media_begins(int call) { leg *a = leg_of(call); if (a) { a->rx_at = seconds(); a->gap = a->hole = 0; } }

int hf_stats(int call, hf_quality *q)
{
    leg *a = leg_of(call); line *l = line_of(call);
    if (l) { line_stats(l, q); return 1; }
    if (a) fill(a, q);
    else if (call >= 0 && call < PJSUA_MAX_CALLS) *q = finals[call];
    return a || (call >= 0 && call < PJSUA_MAX_CALLS && q->rx + q->tx);
}
int hf_stats_all(hf_quality *out, int n)
{
    int call, found = 0; leg *a;
    for (call = 0; call < (int)pjsua_var.ua_cfg.max_calls && found < n; call++)
        if (pjsua_var.calls[call].inv && (a = leg_of(call)) != NULL) fill(a, out + found++);
    for (call = PJSUA_MAX_CALLS; call < HF_LEGS && found < n; call++) if (line_of(call)) line_stats(line_of(call), out + found++);
    return found;
}
unsigned long hf_rx_packets(int call) { leg *a = leg_of(call); return a ? a->rx_n : 0; }
void hf_media_counts(unsigned long *o) { o[0] = fw_made; o[1] = fw_freed; o[2] = fw_links; }

int hf_forward_install(void)
{
    pjsua_var.ua_cfg.cb.on_create_media_transport = &on_create;
    epfd = epoll_create1(EPOLL_CLOEXEC);
    return epfd < 0 ? errno : pthread_create(&poll_thread, NULL, poller, NULL);
}
