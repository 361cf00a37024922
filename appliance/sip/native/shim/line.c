/* A line that is no SIP dialog (a modem): a port of the bridge whose sound goes over a file descriptor, 16 bit at 8000 samples a second. The bridge's own
   clock reads and writes it, so that no stall of Python is heard. Such a leg is named as calls are, by a number above theirs. */
#include "common.h"

enum { LINE_FRAME = 320, LINE_START = 3 * LINE_FRAME, LINE_MOST = 10 * LINE_FRAME };   /* bytes: 20 ms; held before sound begins; more is old and goes, for delay is worse than a click */

typedef struct {
    pjmedia_port base; pjsua_conf_port_id slot; int call;
    pthread_mutex_t lock;                                    /* what follows: two clock threads and the SIP thread */
    int fd, told, running;
    pj_uint8_t in[LINE_MOST + 4096], out[2 * LINE_FRAME];
    unsigned in_n, out_n;
    unsigned long rx_bytes, rx_lost, rx_bursts, tx;
    double rx_at, gap, asked;                                /* asked: when the bridge last wanted a frame; where nobody listens it wants none, and nothing is lost */
} line;
static line *lines[HF_LINES];

static double line_now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static line *line_of(int call) { return call >= PJSUA_MAX_CALLS && call < HF_LEGS ? lines[call - PJSUA_MAX_CALLS] : NULL; }

/* a hung-up terminal reads as if nothing came, and fails when it is written to */
static void line_failed(line *l)
{
    if (errno == EAGAIN || errno == EINTR || l->told) return;
    l->told = 1;
    ev_push(HF_EV_LINE, l->call, 0, 0);
}
static void line_read(line *l)
{
    ssize_t n; double now = line_now(); unsigned rounds = 0;
    while (rounds++ < 8 && (n = read(l->fd, l->in + l->in_n, sizeof l->in - l->in_n)) != 0) {
        if (n < 0) { line_failed(l); break; }
        if (now - l->rx_at > l->gap) l->gap = now - l->rx_at;
        l->rx_at = now; l->in_n += (unsigned)n; l->rx_bytes += (unsigned long)n;
        if (l->in_n > LINE_MOST) {
            unsigned old = (l->in_n - LINE_START) & ~1u;         /* whole samples */
            if (now - l->asked < 0.1) { l->rx_lost += old / LINE_FRAME; l->rx_bursts++; }
            memmove(l->in, l->in + old, l->in_n -= old);
        }
    }
}
static void line_write(line *l, const void *pcm)
{
    ssize_t n;
    if (l->out_n + LINE_FRAME <= sizeof l->out) {            /* else the modem takes nothing: the frame is lost, whole, so that samples stay whole */
        if (pcm) memcpy(l->out + l->out_n, pcm, LINE_FRAME); else memset(l->out + l->out_n, 0, LINE_FRAME);
        l->out_n += LINE_FRAME; l->tx++;
    }
    if ((n = write(l->fd, l->out, l->out_n)) < 0) line_failed(l);
    else memmove(l->out, l->out + n, l->out_n -= (unsigned)n);
}

/* both on a media thread, every 20 ms */
static pj_status_t line_put(pjmedia_port *port, pjmedia_frame *f)
{
    line *l = (line*)port;
    pthread_mutex_lock(&l->lock);
    if (l->fd >= 0) {
        line_read(l);
        line_write(l, f->type == PJMEDIA_FRAME_TYPE_AUDIO && f->size >= LINE_FRAME ? f->buf : NULL);   /* an even stream is what modems expect */
    }
    pthread_mutex_unlock(&l->lock);
    return PJ_SUCCESS;
}
static pj_status_t line_get(pjmedia_port *port, pjmedia_frame *f)
{
    line *l = (line*)port; int full;
    f->type = PJMEDIA_FRAME_TYPE_AUDIO; f->size = LINE_FRAME;
    pthread_mutex_lock(&l->lock);
    l->asked = line_now();
    full = l->in_n >= (l->running ? (unsigned)LINE_FRAME : (unsigned)LINE_START);
    l->running = full;
    if (full) { memcpy(f->buf, l->in, LINE_FRAME); memmove(l->in, l->in + LINE_FRAME, l->in_n -= LINE_FRAME); }
    else memset(f->buf, 0, LINE_FRAME);
    pthread_mutex_unlock(&l->lock);
    return PJ_SUCCESS;
}
static pj_status_t line_destroy(pjmedia_port *port) { pthread_mutex_destroy(&((line*)port)->lock); return PJ_SUCCESS; }

int hf_line_open(void)
{
    static const pj_str_t name = { "hf-line", 7 }; pj_pool_t *pool; line *l; int i;
    for (i = 0; i < HF_LINES && lines[i]; i++);
    if (i == HF_LINES || !(pool = pjsua_pool_create("line%p", 10000, 1000))) return -1;
    l = PJ_POOL_ZALLOC_T(pool, line);
    l->call = PJSUA_MAX_CALLS + i; l->fd = -1;
    pthread_mutex_init(&l->lock, NULL);
    pjmedia_port_info_init(&l->base.info, &name, PJMEDIA_SIG_CLASS_PORT_AUD('H', 'L'), 8000, 1, 16, LINE_FRAME / 2);
    l->base.put_frame = &line_put; l->base.get_frame = &line_get; l->base.on_destroy = &line_destroy;
    if (own_pool(&l->base, pool)) return -1;
    if (pjsua_conf_add_port(pool, &l->base, &l->slot) != PJ_SUCCESS) { pjmedia_port_destroy(&l->base); return -1; }
    lines[i] = l;
    return l->call;
}

/* a serial port's close may wait half a minute for a modem that takes nothing: nobody waits for it */
static void *line_shut(void *fd)
{
    tcflush((int)(pj_ssize_t)fd, TCOFLUSH); close((int)(pj_ssize_t)fd);
    return NULL;
}
static void line_shut_aside(int fd)
{
    pthread_t thread;
    if (fd < 0) return;
    if (pthread_create(&thread, NULL, &line_shut, (void*)(pj_ssize_t)fd) == 0) pthread_detach(thread);
    else line_shut((void*)(pj_ssize_t)fd);
}

void hf_line_sound(int call, int fd)
{
    line *l = line_of(call); int old;
    if (!l) { line_shut_aside(fd); return; }
    pthread_mutex_lock(&l->lock);
    old = l->fd;
    l->fd = fd; l->told = l->running = 0; l->in_n = l->out_n = 0; l->rx_at = line_now();
    if (fd >= 0) tcflush(fd, TCIOFLUSH);                     /* what waits there is of an earlier call, or no sound at all */
    pthread_mutex_unlock(&l->lock);
    line_shut_aside(old);
}

void hf_line_close(int call)
{
    line *l = line_of(call);
    if (!l) return;
    hf_stop(call); hf_record_stop(call);
    hf_line_sound(call, -1);
    lines[call - PJSUA_MAX_CALLS] = NULL;
    pjsua_conf_remove_port(l->slot);
    pjmedia_port_destroy(&l->base);
}

static void line_stats(line *l, hf_quality *q)
{
    memset(q, 0, sizeof *q);
    pthread_mutex_lock(&l->lock);
    q->call = l->call; q->rx = l->rx_bytes / LINE_FRAME - PJ_MIN(l->rx_lost, l->rx_bytes / LINE_FRAME); q->rx_lost = l->rx_lost; q->rx_bursts = l->rx_bursts; q->tx = l->tx; q->gap_s = l->gap;
    if (l->fd >= 0) q->silent_s = line_now() - l->rx_at;
    pthread_mutex_unlock(&l->lock);
}
