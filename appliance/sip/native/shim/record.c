/* What the far end of a call says, for Python to fetch: a port of the bridge writes frames of 20 ms into a ring that one thread fills and one empties. */
#include "common.h"

enum { REC_FRAMES = 256 };                 /* 5.1 s: what a stalled SIP thread may take */

typedef struct {
    pjmedia_port base;
    pjsua_conf_port_id slot;
    unsigned frame; pj_int16_t *pcm;
    unsigned lost_before[REC_FRAMES];      /* frames missing in front of each */
    unsigned head, tail;                   /* frames written (media thread), frames read (SIP thread); both only grow */
    unsigned lost;                         /* media thread's own: since the last frame that found room */
    int on;                                /* media came up: nothing before it is recorded, silence neither */
} recorder;
static recorder *recorders[HF_LEGS];

/* on a media thread; between words, or while the call has no media for a moment, frames without sound come and keep the time */
static pj_status_t recorder_put(pjmedia_port *port, pjmedia_frame *f)
{
    recorder *r = (recorder*)port; unsigned i = r->head % REC_FRAMES, n = f->type == PJMEDIA_FRAME_TYPE_AUDIO ? PJ_MIN((unsigned)f->size, 2 * r->frame) : 0;
    if (!__atomic_load_n(&r->on, __ATOMIC_RELAXED)) return PJ_SUCCESS;
    if (r->head - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) == REC_FRAMES) { r->lost++; return PJ_SUCCESS; }
    if (n) memcpy(r->pcm + i * r->frame, f->buf, n);
    memset((char*)(r->pcm + i * r->frame) + n, 0, 2 * r->frame - n);
    r->lost_before[i] = r->lost; r->lost = 0;
    __atomic_store_n(&r->head, r->head + 1, __ATOMIC_RELEASE);
    return PJ_SUCCESS;
}
/* and silence the other way: a caller who hears no RTP at all while he speaks is taken down by carriers and gateways */
static pj_status_t recorder_get(pjmedia_port *port, pjmedia_frame *f)
{
    f->type = PJMEDIA_FRAME_TYPE_AUDIO; f->size = 2 * ((recorder*)port)->frame;
    memset(f->buf, 0, f->size);
    return PJ_SUCCESS;
}
static pj_status_t recorder_destroy(pjmedia_port *port) { PJ_UNUSED_ARG(port); return PJ_SUCCESS; }

static void record_link(int call)
{
    recorder *r = recorders[call]; int from = conf_of(call);
    if (!r || from == PJSUA_INVALID_ID) return;
    if (pjsua_conf_connect(from, r->slot) == PJ_SUCCESS) __atomic_store_n(&r->on, 1, __ATOMIC_RELAXED);
    pjsua_conf_connect(r->slot, from);
}

int hf_record_start(int call, int rate)
{
    static const pj_str_t name = { "hf-record", 9 }; pj_pool_t *pool; recorder *r;
    if (!may_play(call) || rate < 8000 || rate > 48000 || rate % 50) return -1;
    hf_record_stop(call);
    if (!(pool = pjsua_pool_create("rec%p", 4000, 4000))) return -1;
    r = PJ_POOL_ZALLOC_T(pool, recorder);
    r->frame = rate / 50;
    r->pcm = pj_pool_alloc(pool, REC_FRAMES * r->frame * sizeof *r->pcm);
    pjmedia_port_info_init(&r->base.info, &name, PJMEDIA_SIG_CLASS_PORT_AUD('H', 'R'), rate, 1, 16, r->frame);
    r->base.put_frame = &recorder_put; r->base.get_frame = &recorder_get; r->base.on_destroy = &recorder_destroy;
    if (own_pool(&r->base, pool)) return -1;
    if (pjsua_conf_add_port(pool, &r->base, &r->slot) != PJ_SUCCESS) { pjmedia_port_destroy(&r->base); return -1; }
    recorders[call] = r;
    record_link(call);
    return 0;
}

int hf_record_read(int call, short *out, int samples, int *level, int *lost_ms)
{
    recorder *r = call >= 0 && call < HF_LEGS ? recorders[call] : NULL; unsigned head, i, n = 0; pj_uint64_t squares = 0; int k;
    *level = *lost_ms = 0;
    if (!r) return 0;
    head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
    for (; r->tail != head && n + r->frame <= (unsigned)samples; n += r->frame) {
        i = r->tail % REC_FRAMES;
        if (r->lost_before[i]) { if (n) break; *lost_ms = 20 * r->lost_before[i]; }     /* what is missing is missing in front of a piece */
        memcpy(out + n, r->pcm + i * r->frame, r->frame * sizeof *out);
        __atomic_store_n(&r->tail, r->tail + 1, __ATOMIC_RELEASE);
    }
    for (k = 0; k < (int)n; k++) squares += out[k] * out[k];
    if (n) *level = (int)pj_isqrt((unsigned)(squares / n));
    return (int)n;
}

void hf_record_stop(int call)
{
    recorder *r = call >= 0 && call < HF_LEGS ? recorders[call] : NULL;
    if (!r) return;
    recorders[call] = NULL;
    pjsua_conf_remove_port(r->slot);
    pjmedia_port_destroy(&r->base);
}

int hf_media_ports(void) { return (int)pjsua_conf_get_active_ports(); }
