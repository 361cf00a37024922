/* What Python sees of the shim (cffi API mode). Strings are UTF-8, NUL-terminated unless a length goes with them. Unless said otherwise a
   function may be called on the SIP thread alone; calls are named by pjsua's call id, accounts by pjsua's account id. */

typedef struct { const char *ctype; const char *headers; const char *body; int len; } hf_part;

typedef struct {                                                     /* of one leg's sound since it began */
    int call, forwarded, reported;                                   /* reported: the far end has sent a receiver report */
    unsigned long rx, rx_lost, rx_bursts;                            /* from the far end: packets, those missing, in how many places */
    unsigned long tx, tx_lost, tx_of, tx_gaps;                       /* to it: packets; missing there as of its report, when so many were sent and so many lacked already */
    double rx_jitter_ms, tx_jitter_ms, rtt_ms;                       /* rtt 0: not known */
    double gap_s, hole_s, silent_s;                                  /* longest time without a packet of it; where packets are missing; the present one. Not on hold */
} hf_quality;

/* hook.c: out-of-dialog requests in front of pjsua */
#define HF_ANSWERED  -1
#define HF_HELD      -2
#define HF_DROP      -3
#define HF_EMERGENCY 65536
extern "Python" int hf_on_request(const char *fields, int len);      /* account id to pass it on with (| HF_EMERGENCY), or HF_… */
int  hf_hook_install(void);
int  hf_request_header(const char *name, int index, char *out, int len);  /* of the request being decided, the index-th of that name; length, -1 absent */
int  hf_request_codecs(char *out, int len);                          /* "pcmu,g722" as offered */
int  hf_request_part(const char *ctype, char *out, int len);         /* a body part by "type/subtype"; length, -1 absent */
int  hf_request_body(char *out, int len);                            /* the body as it came (not a multipart one): its whole length, out cut at len; -1 absent */
void hf_reply(int code, const char *reason, const char *headers, const char *to_tag);   /* stateless answer to the request being decided; headers "Name: value\n…"; to_tag "": any */
int  hf_hold(void);                                                  /* keeps the request being decided; a handle, -1 when too many wait */
int  hf_held_reply(int handle, int code, const char *reason, const char *headers);
int  hf_held_pass(int handle, int verdict);
void hf_lan_account(int acc, int is_lan);                            /* peers of a LAN account are reached where they send from */
void hf_counts(unsigned long *out, int n);                           /* rx requests, rx responses, tx requests, tx responses, refused here, parse faults */

/* names.c: pjsip never resolves; it is told addresses here. Any thread. */
void hf_name_set(const char *host, const char *ip);                  /* ip "" forgets */

/* tls.c */
int  hf_tls_restart(int transport, const char *ip, int port);        /* the listener of a TLS transport reads its certificate again; 0, or -1: it is closed */

/* request.c: requests of our own outside pjsip's dialogs */
extern "Python" void hf_on_response(int token, int code, const char *reason);
int  hf_request_send(int token, int acc, const char *method, const char *target, const char *from, const char *to, const char *headers,
                     const char *ctype, const char *body, int len);
int  hf_dialog_send(int token, int acc, const char *method, const char *target, const char *from, const char *from_tag, const char *to, const char *to_tag,
                    const char *call_id, int cseq, const char *headers, const char *ctype, const char *body, int len);   /* in a dialog the caller keeps */

/* calls.c */
extern "Python" void hf_on_incoming(int acc, int call, const char *call_id);
extern "Python" void hf_on_state(int call, int state, int code, const char *reason, int retry_after);
extern "Python" void hf_on_media(int call, int active, int held_by_peer, const char *codec);
extern "Python" void hf_on_refer(int call, const char *target, const char *user, const char *replaces);
extern "Python" void hf_on_refer_status(int call, int code, int final);
extern "Python" void hf_on_probe(int call, int code);
void hf_calls_install(void);
int  hf_call_make(int acc, const char *target, const char *to, const char *from, const char *contact, const char *headers, const char *codecs,
                  const hf_part *parts, int n_parts, char *call_id_out, int len, int *status_out);
int  hf_call_answer(int call, int code, const char *reason, const char *headers, const char *codecs);
int  hf_call_hangup(int call, int code, const char *reason, const char *headers);
int  hf_call_hold(int call, int on);
int  hf_call_dtmf(int call, const char *digits, int info, int duration_ms);
int  hf_call_refer(int call, const char *target, const char *headers);
int  hf_call_refer_answer(int call, int code);
int  hf_call_refer_notify(int call, int code, const char *reason, int final);
int  hf_call_probe(int call);                                        /* OPTIONS in the dialog; hf_on_probe tells */
int  hf_calls_used(void);

/* forward.c: audio between two calls */
int  hf_forward_install(void);
int  hf_join(int a, int b, int may_forward);                         /* 0 forwarded, 1 bridged, -1 media not up yet */
void hf_part_calls(int a, int b);
int  hf_listen(int speaker, int listener);                            /* one way, through the bridge, until one ends; -1 media of one is not up yet */
int  hf_stats(int call, hf_quality *out);                            /* 0 when there is no media */
int  hf_stats_all(hf_quality *out, int n);                           /* of every call with media, n at most; how many */
unsigned long hf_rx_packets(int call);
void hf_media_counts(unsigned long *out);                            /* adapters made, freed, links made */

/* fax.c: T.38 between two joined calls */
extern "Python" void hf_on_fax(int call, int what);                  /* 1 the call asks for T.38: hf_fax_pass or hf_fax_refuse; 2 it began; 3 the call wants sound
                                                                        again, as the other one must; 4 the call must be brought back to sound */
int  hf_fax_pass(int call, int other);                               /* 0: the other one is asked (or it runs already) */
int  hf_fax_refuse(int call, int code);

/* media.c: sounds to a call. `pcm` is read until hf_sound_freed names the token (never, when hf_play did not return 0) */
int  hf_play(int call, const char *pcm, int samples, int rate, int loop, int token);
int  hf_tone(int call, const char *name);
void hf_stop(int call);
int  hf_sound_freed(void);                                           /* a token > 0 whose sound is no longer read; 0 when none */

/* record.c: what a call's far end says */
int  hf_record_start(int call, int rate);                            /* rate: 8000 to 48000, divisible by 50 */
int  hf_record_read(int call, short *out, int samples, int *level, int *lost_ms);   /* whole frames of 20 ms that wait; samples read */
void hf_record_stop(int call);                                       /* what was not read is gone */
int  hf_media_ports(void);                                           /* ports of the bridge in use */

/* line.c: legs that are no SIP dialogs; all that is for the sound of calls takes their numbers, too */
int  hf_line_open(void);                                             /* the new leg's number, above those of calls; -1: no room */
void hf_line_sound(int call, int fd);                                /* its sound comes and goes here from now on: 16 bit, 8000 samples a second, non-blocking; it
                                                                        is closed with the leg. -1: it has none for now */
void hf_line_close(int call);

/* wake.c: commands in, media-thread events out */
extern "Python" void hf_on_wake(void);
int  hf_wake_install(void);
void hf_wake(void);                                                  /* any thread */
int  hf_event(int *kind, int *call, int *a, int *b);                 /* next event of the media threads; 0 when none. kind 1 digit, 2 end of a sound (a: its token), 3 a line's sound failed */

/* trace.c: ring of messages. Any thread for reading. */
int  hf_trace_install(int bytes);
long hf_trace_read(unsigned long after, unsigned long *seq, double *at, int *sent, int *transport, char *local, char *remote, char *data, int len);
/* the first message after number `after`: its length (data cut at len), 0 when none; addresses "ip:port" into 64-byte buffers */

int  hf_features(void);                                              /* bits: 1 TLS, 2 SRTP, 4 DTLS-SRTP */
