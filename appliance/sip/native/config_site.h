/* pjproject's compile-time limits for Holdfast. The shim is compiled against the same file: several of these change struct layouts. */
#define PJ_HAS_IPV6                     1
#define PJ_LOG_MAX_LEVEL                4       /* levels 5 and 6 cost printf on every message */
#define PJ_IOQUEUE_MAX_HANDLES          4096
#define PJ_IOQUEUE_DEFAULT_EPOLL_FLAGS  0       /* EPOLLEXCLUSIVE costs 54 epoll_ctl a call */

#define PJSUA_MAX_CALLS                 512     /* legs; a bridged call is two */
#define PJSUA_MAX_ACC                   256
#define PJSUA_MAX_PLAYERS               512
#define PJSUA_MAX_RECORDERS             256
#define PJSUA_MAX_CONF_PORTS            1024

#define PJSIP_MAX_TSX_COUNT             16383   /* 2^n - 1 */
#define PJSIP_MAX_DIALOG_COUNT          4095
#define PJSIP_MAX_TIMER_COUNT           32767
#define PJSIP_MAX_PKT_LEN               16000   /* browser offers and PIDF-LO bodies */
#define PJSIP_DONT_SWITCH_TO_TCP        1       /* an emergency INVITE over 1,300 bytes must stay on UDP */
#define PJSIP_UDP_SO_RCVBUF_SIZE        4194304 /* a power-return avalanche arrives in one burst */
#define PJSIP_UDP_SO_SNDBUF_SIZE        1048576

#define PJMEDIA_SRTP_HAS_DTLS           1
#define PJMEDIA_MAX_SDP_FMT             64
#define PJMEDIA_MAX_SDP_ATTR            192
