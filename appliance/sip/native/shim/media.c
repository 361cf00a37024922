/* Sounds to a call, one at a time: PCM played from where Python keeps it (no disk, no copy), or a call-progress tone. What is asked for before media is
   up begins when it comes, and goes on after every media restart. */
#include "common.h"

typedef struct { pjmedia_port base; const char *pcm; unsigned samples, at, frame; int loop, token, told; } player;
static struct { pjmedia_port *port; pjsua_conf_port_id slot; } sounds[HF_LEGS];

/* tokens whose PCM nobody reads any more; a list, not the event ring: one forgotten would keep its sound in memory for good */
typedef struct freed { struct freed *next; int token; } freed;
static freed *freed_first;
static pthread_mutex_t freed_lock = PTHREAD_MUTEX_INITIALIZER;

int hf_sound_freed(void)
{
    freed *f; int token = 0;
    pthread_mutex_lock(&freed_lock);
    f = freed_first;
    if (f) { freed_first = f->next; token = f->token; }
    pthread_mutex_unlock(&freed_lock);
    free(f);
    return token;
}

/* on a media thread, every 20 ms or so */
static pj_status_t player_get(pjmedia_port *port, pjmedia_frame *f)
{
    player *p = (player*)port; unsigned done = 0;
    if (p->at == p->samples) {
        if (!p->told) { p->told = 1; ev_push(HF_EV_EOF, -1, p->token, 0); }
        f->type = PJMEDIA_FRAME_TYPE_NONE; f->size = 0;
        return PJ_SUCCESS;
    }
    while (done < p->frame && p->at < p->samples) {
        unsigned n = PJ_MIN(p->frame - done, p->samples - p->at);
        memcpy((char*)f->buf + 2 * done, p->pcm + 2 * (size_t)p->at, 2 * n);
        done += n; p->at += n;
        if (p->loop && p->at == p->samples) p->at = 0;
    }
    memset((char*)f->buf + 2 * done, 0, 2 * (p->frame - done));
    f->type = PJMEDIA_FRAME_TYPE_AUDIO; f->size = 2 * p->frame;
    return PJ_SUCCESS;
}
static pj_status_t player_destroy(pjmedia_port *port)
{
    freed *f = malloc(sizeof *f);
    if (f) {
        f->token = ((player*)port)->token;
        pthread_mutex_lock(&freed_lock); f->next = freed_first; freed_first = f; pthread_mutex_unlock(&freed_lock);
        hf_wake();
    }
    return PJ_SUCCESS;
}

static void release_pool(void *pool) { pj_pool_release(pool); }
/* From here on the port frees itself and its pool when its last holder lets go: the bridge drains its queue on its own clock. 0, or the pool is gone. */
static int own_pool(pjmedia_port *port, pj_pool_t *pool)
{
    if (pjmedia_port_init_grp_lock(port, pool, NULL) != PJ_SUCCESS) { pj_pool_release(pool); return -1; }
    if (pjmedia_port_add_destroy_handler(port, pool, &release_pool) != PJ_SUCCESS) { pjmedia_port_destroy(port); return -1; }
    return 0;
}

void hf_stop(int call)
{
    if (call < 0 || call >= HF_LEGS || !sounds[call].port) return;
    pjsua_conf_remove_port(sounds[call].slot);
    pjmedia_port_destroy(sounds[call].port);
    sounds[call].port = NULL;
}

static int may_play(int call) { return valid_call(call) || line_of(call); }

static void sound_link(int call)
{
    int to = conf_of(call);
    if (sounds[call].port && to != PJSUA_INVALID_ID) pjsua_conf_connect(sounds[call].slot, to);
}

static int sound_start(int call, pjmedia_port *port, pj_pool_t *pool)
{
    if (pjsua_conf_add_port(pool, port, &sounds[call].slot) != PJ_SUCCESS) { pjmedia_port_destroy(port); return -1; }
    sounds[call].port = port;
    sound_link(call);
    return 0;
}

/* The bridge takes frames of whole milliseconds alone: 20 ms where the rate allows, else the next length that has a whole number of samples. */
static unsigned frame_of(unsigned rate)
{
    unsigned ms = 20;
    while (ms < 1000 && rate * ms % 1000) ms++;
    return rate * ms / 1000;
}

int hf_play(int call, const char *pcm, int samples, int rate, int loop, int token)
{
    static const pj_str_t name = { "hf-play", 7 }; pj_pool_t *pool; player *p;
    if (!may_play(call) || samples <= 0 || rate < 4000 || rate > 192000) return -1;
    hf_stop(call);
    if (!(pool = pjsua_pool_create("play%p", 1000, 1000))) return -1;
    p = PJ_POOL_ZALLOC_T(pool, player);
    p->pcm = pcm; p->samples = samples; p->frame = frame_of(rate); p->loop = loop; p->token = token;
    pjmedia_port_info_init(&p->base.info, &name, PJMEDIA_SIG_CLASS_PORT_AUD('H', 'P'), rate, 1, 16, p->frame);
    p->base.get_frame = &player_get; p->base.on_destroy = &player_destroy;
    return own_pool(&p->base, pool) ? -1 : sound_start(call, &p->base, pool);
}

int hf_tone(int call, const char *name)
{
    static const struct { const char *name; short f1, f2, on, off; int once; } tones[] = {          /* North American call-progress tones (ITU-T E.180 suppl. 2) */
        { "ringback", 440, 480, 2000, 4000, 0 }, { "busy", 480, 620, 500, 500, 0 }, { "congestion", 480, 620, 250, 250, 0 },
        { "hold", 400, 0, 200, 9800, 0 }, { "beep", 1000, 0, 400, 0, 1 } };
    unsigned i; pjmedia_tone_desc t; pj_pool_t *pool; pjmedia_port *port;
    if (!may_play(call)) return -1;
    for (i = 0; i < PJ_ARRAY_SIZE(tones) && strcmp(tones[i].name, name); i++);
    if (i == PJ_ARRAY_SIZE(tones)) return -1;
    hf_stop(call);
    if (!(pool = pjsua_pool_create("tone%p", 1000, 1000))) return -1;
    if (pjmedia_tonegen_create(pool, 8000, 1, 160, 16, tones[i].once ? 0 : PJMEDIA_TONEGEN_LOOP, &port) != PJ_SUCCESS) { pj_pool_release(pool); return -1; }
    pj_bzero(&t, sizeof t); t.freq1 = tones[i].f1; t.freq2 = tones[i].f2; t.on_msec = tones[i].on; t.off_msec = tones[i].off;
    pjmedia_tonegen_play(port, 1, &t, tones[i].once ? 0 : PJMEDIA_TONEGEN_LOOP);
    return own_pool(port, pool) ? -1 : sound_start(call, port, pool);
}

int hf_features(void)
{
    int bits = 0;
#if PJSIP_HAS_TLS_TRANSPORT
    bits |= 1;
#endif
#if PJMEDIA_HAS_SRTP
    bits |= 2;
#endif
#if PJMEDIA_SRTP_HAS_DTLS
    bits |= 4;
#endif
    return bits;
}
