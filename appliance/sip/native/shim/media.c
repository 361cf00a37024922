/* Sounds to a call: a WAV already in memory (no disk on the SIP thread) or a call-progress tone, one at a time per call. */
#include "common.h"

typedef struct { pj_pool_t *pool; pjmedia_port *port; int slot, token, call, port_frees; char *pcm; } sound;
static sound sounds[PJSUA_MAX_CALLS];

static void sound_eof(pjmedia_port *port, void *user)
{
    sound *s = user; PJ_UNUSED_ARG(port);                                  /* on a media thread: only note it */
    if (s->token) { ev_push(HF_EV_EOF, s->call, s->token, 0); s->token = 0; }
}

void hf_stop(int call)
{
    sound *s;
    if (call < 0 || call >= PJSUA_MAX_CALLS || !(s = &sounds[call])->pool) return;
    if (s->slot >= 0) pjsua_conf_remove_port(s->slot);
    /* the bridge drains its queue on its own clock: the port frees itself, and the sound it still reads from, when the last holder lets go */
    if (!s->port_frees) { if (s->port) pjmedia_port_destroy(s->port); pj_pool_release(s->pool); }
    else pjmedia_port_destroy(s->port);
    memset(s, 0, sizeof *s);
}

static void sound_freed(void *pool) { pj_pool_release(pool); }

static int sound_start(int call, sound *s)
{
    pjsua_conf_port_id to = conf_of(call), slot;
    if (to == PJSUA_INVALID_ID || pjsua_conf_add_port(s->pool, s->port, &slot) != PJ_SUCCESS) { s->slot = -1; hf_stop(call); return -1; }
    s->slot = slot;
    s->port_frees = s->port->grp_lock && pj_grp_lock_add_handler(s->port->grp_lock, NULL, s->pool, &sound_freed) == PJ_SUCCESS;
    if (pjsua_conf_connect(slot, to) != PJ_SUCCESS) { hf_stop(call); return -1; }
    return 0;
}

int hf_play(int call, const char *pcm, int len, int rate, int loop, int token)
{
    sound *s; unsigned frame = rate / 50;
    if (!valid_call(call) || len < 2) return -1;
    hf_stop(call);
    s = &sounds[call];
    s->pool = pjsua_pool_create("play%p", 4000, 4000);
    if (!s->pool) return -1;
    s->pcm = pj_pool_alloc(s->pool, len); s->call = call; s->token = loop ? 0 : token; s->slot = -1;
    memcpy(s->pcm, pcm, len);
    if (pjmedia_mem_player_create(s->pool, s->pcm, len, rate, 1, frame, 16, loop ? 0 : PJMEDIA_MEM_NO_LOOP, &s->port) != PJ_SUCCESS) { s->port = NULL; hf_stop(call); return -1; }
    if (!loop) pjmedia_mem_player_set_eof_cb2(s->port, s, &sound_eof);
    return sound_start(call, s);
}

int hf_tone(int call, const char *name)
{
    static const struct { const char *name; short f1, f2, on, off; int once; } tones[] = {          /* North American call-progress tones (ITU-T E.180 suppl. 2) */
        { "ringback", 440, 480, 2000, 4000, 0 }, { "busy", 480, 620, 500, 500, 0 }, { "congestion", 480, 620, 250, 250, 0 },
        { "hold", 400, 0, 200, 9800, 0 }, { "beep", 1000, 0, 400, 0, 1 } };
    sound *s; unsigned i; pjmedia_tone_desc t;
    if (!valid_call(call)) return -1;
    for (i = 0; i < PJ_ARRAY_SIZE(tones) && strcmp(tones[i].name, name); i++);
    if (i == PJ_ARRAY_SIZE(tones)) return -1;
    hf_stop(call);
    s = &sounds[call];
    s->pool = pjsua_pool_create("tone%p", 1000, 1000);
    if (!s->pool) return -1;
    s->call = call; s->slot = -1;
    if (pjmedia_tonegen_create(s->pool, 8000, 1, 160, 16, tones[i].once ? 0 : PJMEDIA_TONEGEN_LOOP, &s->port) != PJ_SUCCESS) { s->port = NULL; hf_stop(call); return -1; }
    pj_bzero(&t, sizeof t); t.freq1 = tones[i].f1; t.freq2 = tones[i].f2; t.on_msec = tones[i].on; t.off_msec = tones[i].off;
    pjmedia_tonegen_play(s->port, 1, &t, tones[i].once ? 0 : PJMEDIA_TONEGEN_LOOP);
    return sound_start(call, s);
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
