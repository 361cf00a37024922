/* What pjsip's parser throws away unseen: a broken header nobody needs is cut out and the message read on (RFC 3261 section 8.2.2, "SHOULD ignore any malformed
   header fields that are not necessary"), so that it stops no call, an emergency least of all; any other broken request gets its 400, 416 or 505. */
#include "common.h"

enum { DROPPED_ANSWERS_PER_S = 50, DROPPED_ANSWER_MAX = 4000 };

static int word_is(const char *p, size_t n, const char *const *list)
{
    for (; *list; list++) if (strlen(*list) == n && !strncasecmp(p, *list, n)) return 1;
    return 0;
}
/* the end of a header with its continuation lines, behind the line break */
static char *header_end(char *p, char *end)
{
    while ((p = memchr(p, '\n', end - p)) != NULL) if (++p == end || (*p != ' ' && *p != '\t')) return p;
    return end;
}

/* The rdata a datagram was received into. pjsip does not hand it over, but the data is the packet inside it; after leading blank lines, or what was cut out, it begins later. */
static char *packet; static size_t packet_skipped;
static pjsip_rx_data *rdata_of(pjsip_tp_dropped_data *d)
{
    pjsip_rx_data *rd;
    if (packet + packet_skipped != (char*)d->data) { packet = d->data; packet_skipped = 0; }
    rd = (pjsip_rx_data*)(packet - offsetof(pjsip_rx_data, pkt_info.packet));
    return rd->tp_info.transport == d->tp ? rd : NULL;
}

/* Cut the broken headers out if all of them can be spared: the rest moves up to their place, and what is left in front is skipped. */
static size_t cut_broken(pjsip_rx_data *rd, char *data, size_t len)
{
    static const char *const needed[] = { "via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "content-length", "l", "content-type", "c", "require", "proxy-require", "record-route", NULL };
    static const char *const contact[] = { "contact", "m", NULL };
    pjsip_parser_err_report *e; char *end = data + len, *at = data, *stop; int invite = len > 7 && !memcmp(data, "INVITE ", 7);
    if (pj_list_empty(&rd->msg_info.parse_err)) return 0;
    for (e = rd->msg_info.parse_err.next; e != &rd->msg_info.parse_err; e = e->next) {
        /* an INVITE's Contact is missed by nobody but its dialog, which says so; an emergency call is given one */
        if (e->hname.ptr <= data || e->hname.ptr >= end || e->hname.ptr[-1] != '\n' || word_is(e->hname.ptr, e->hname.slen, needed)
            || (!invite && word_is(e->hname.ptr, e->hname.slen, contact))) return 0;
    }
    for (e = rd->msg_info.parse_err.next; e != &rd->msg_info.parse_err; e = e->next) {
        if (e->hname.ptr < at) continue;                                 /* the same header again */
        stop = header_end(e->hname.ptr, end);
        memmove(at + (stop - e->hname.ptr), at, e->hname.ptr - at);
        at += stop - e->hname.ptr;
    }
    return at - data;
}

static int dropped_status(char *line, char *end, const char **reason)
{
    static const char *const schemes[] = { "sip", "sips", "tel", "urn", NULL };
    char *last, *uri = memchr(line, ' ', end - line), *p;
    while (end > line && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ')) end--;
    for (last = end; last > line && last[-1] != ' '; last--) ;
    if (!uri || end - last < 5 || strncasecmp(last, "SIP/", 4)) return 0;
    if (end - last != 7 || memcmp(last + 4, "2.0", 3)) { *reason = "Version Not Supported"; return 505; }
    for (p = ++uri; p < last && (isalnum((unsigned char)*p) || strchr("+-.", *p)); p++) ;
    if (p > uri && *p == ':' && !word_is(uri, p - uri, schemes)) { *reason = "Unsupported URI Scheme"; return 416; }
    *reason = "Bad Request";
    return 400;
}

/* The answer is made from the text, as there is no message. It goes back where the request came from: whoever is that broken says nothing useful in its Via. */
static void answer_dropped(pjsip_transport *tp, const pj_sockaddr *to, char *data, size_t len)
{
    static const char *const copied[] = { "via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", NULL };
    static const char *const via[] = { "via", "v", NULL };
    static const char *const to_names[] = { "to", "t", NULL };
    static time_t second; static int answers;
    char out[DROPPED_ANSWER_MAX]; char *end = data + len, *p, *next, *colon; const char *reason = ""; int n, code, vias = 0; struct timespec now; pjsip_tpselector sel;
    if (len > 4 && (!strncasecmp(data, "SIP/", 4) || !memcmp(data, "ACK ", 4))) return;
    p = memchr(data, '\n', len);
    if (!p || !(code = dropped_status(data, ++p, &reason))) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec != second) { second = now.tv_sec; answers = 0; }
    if (answers++ >= DROPPED_ANSWERS_PER_S) return;
    n = snprintf(out, sizeof out, "SIP/2.0 %d %s\r\n", code, reason);
    for (; p < end && *p != '\r' && *p != '\n'; p = next) {
        size_t name, text;
        next = header_end(p, end);
        if (!(colon = memchr(p, ':', next - p))) continue;
        for (name = colon - p; name && (p[name - 1] == ' ' || p[name - 1] == '\t'); name--) ;
        if (!word_is(p, name, copied)) continue;
        vias += word_is(p, name, via);
        for (text = next - p; text && (p[text - 1] == '\r' || p[text - 1] == '\n'); text--) ;
        if (n + text + 64 > sizeof out) return;
        memcpy(out + n, p, text); n += (int)text;
        if (word_is(p, name, to_names) && !memmem(p, text, "tag=", 4)) n += sprintf(out + n, ";tag=hf%lx", (unsigned long)now.tv_nsec);
        n += sprintf(out + n, "\r\n");
    }
    if (!vias) return;
    n += sprintf(out + n, "Content-Length: 0\r\n\r\n");
    pj_bzero(&sel, sizeof sel);
    sel.type = PJSIP_TPSELECTOR_TRANSPORT; sel.u.transport = tp;
    pjsip_tpmgr_send_raw(pjsip_endpt_get_tpmgr(pjsua_get_pjsip_endpt()), tp->key.type, &sel, NULL, out, n, to, pj_sockaddr_get_len(to), NULL, NULL);
    refused_here++;
}

static void on_dropped(pjsip_tp_dropped_data *d)
{
    int datagram = tp_kind(d->tp) == 0; pjsip_rx_data *rd; size_t cut = 0;
    if (!d->data || !d->len) return;
    rd = datagram ? rdata_of(d) : NULL;
    if (datagram && !rd) return;
    if (d->status == PJ_EIGNORED) { packet_skipped += d->len; return; }
    if (d->status != PJSIP_EINVALIDMSG && d->status != PJSIP_EMISSINGHDR) return;
    if (rd && d->status == PJSIP_EINVALIDMSG) cut = cut_broken(rd, d->data, d->len);
    if (cut && cut < d->len) { packet_skipped += cut; d->len = cut; return; }
    answer_dropped(d->tp, rd ? &rd->pkt_info.src_addr : &d->tp->key.rem_addr, d->data, d->len);
}
