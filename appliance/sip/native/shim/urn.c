/* urn:service:sos as a Request-URI (RFC 5031): pjsip's parser for other schemes leaves the blank behind the URI standing, and the request line is then refused. */
#include "common.h"

static void *parse_urn(pj_scanner *scanner, pj_pool_t *pool, pj_bool_t params)
{
    pjsip_other_uri *uri = pjsip_other_uri_create(pool); const pjsip_parser_const_t *pc = pjsip_parser_const(); int skip = scanner->skip_ws;
    PJ_UNUSED_ARG(params);
    scanner->skip_ws = 0;
    pj_scan_get(scanner, &pc->pjsip_TOKEN_SPEC, &uri->scheme);
    if (pj_scan_get_char(scanner) != ':') { scanner->skip_ws = skip; (*scanner->callback)(scanner); return NULL; }
    pj_scan_get(scanner, &pc->pjsip_OTHER_URI_CONTENT, &uri->content);
    scanner->skip_ws = skip;
    if (skip) pj_scan_skip_whitespace(scanner);
    return uri;
}
