/* Commands of other threads wake the SIP thread through a socketpair in pjsip's ioqueue; media threads leave their events in a ring. */
#include "common.h"

typedef struct { int kind, call, a, b; } hf_event_t;
enum { EV_SIZE = 4096 };
static hf_event_t ev_ring[EV_SIZE];
static unsigned ev_head, ev_tail;
static pthread_mutex_t ev_lock = PTHREAD_MUTEX_INITIALIZER;

static int wake_fd[2] = { -1, -1 };
static int wake_pending;                 /* one byte in flight is enough */
static pj_ioqueue_key_t *wake_key;
static pj_ioqueue_op_key_t wake_op;
static char wake_buf[64];

static void ev_push(int kind, int call, int a, int b)
{
    pthread_mutex_lock(&ev_lock);
    if (ev_head - ev_tail < EV_SIZE) { hf_event_t e = { kind, call, a, b }; ev_ring[ev_head++ % EV_SIZE] = e; }
    pthread_mutex_unlock(&ev_lock);
    hf_wake();
}

int hf_event(int *kind, int *call, int *a, int *b)
{
    int got = 0;
    pthread_mutex_lock(&ev_lock);
    if (ev_tail != ev_head) {
        hf_event_t *e = &ev_ring[ev_tail++ % EV_SIZE];
        *kind = e->kind; *call = e->call; *a = e->a; *b = e->b; got = 1;
    }
    pthread_mutex_unlock(&ev_lock);
    return got;
}

static void wake_read(pj_ioqueue_key_t *key, pj_ioqueue_op_key_t *op, pj_ssize_t n)
{
    PJ_UNUSED_ARG(n);
    do {
        pj_ssize_t len = sizeof wake_buf;
        /* cleared before the commands are drained: a command posted from now on writes its own byte */
        __atomic_store_n(&wake_pending, 0, __ATOMIC_SEQ_CST);
        hf_on_wake();
        if (pj_ioqueue_recv(key, op, wake_buf, &len, 0) != PJ_SUCCESS) break;   /* PJ_EPENDING: called again */
    } while (1);
}

int hf_wake_install(void)
{
    pj_ioqueue_callback cb; pj_ssize_t len = sizeof wake_buf; pj_sock_t sock; pj_status_t st;
    /* a socketpair, not an eventfd: the ioqueue asks every handle for SO_TYPE */
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, wake_fd)) return errno;
    pj_bzero(&cb, sizeof cb); cb.on_read_complete = &wake_read;
    sock = wake_fd[0];
    st = pj_ioqueue_register_sock(pjsua_var.pool, pjsip_endpt_get_ioqueue(pjsua_get_pjsip_endpt()), sock, NULL, &cb, &wake_key);
    if (st != PJ_SUCCESS) return st;
    pj_ioqueue_op_key_init(&wake_op, sizeof wake_op);
    st = pj_ioqueue_recv(wake_key, &wake_op, wake_buf, &len, PJ_IOQUEUE_ALWAYS_ASYNC);
    return st == PJ_EPENDING ? 0 : st;
}

void hf_wake(void)
{
    if (!__atomic_exchange_n(&wake_pending, 1, __ATOMIC_SEQ_CST) && wake_fd[1] >= 0) {
        ssize_t n = send(wake_fd[1], "w", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)n;
    }
}
