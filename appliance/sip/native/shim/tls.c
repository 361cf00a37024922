/* The TLS listener, opened anew: its certificate file is read again. Connections there are go on with what they began with. */
int hf_tls_restart(int transport, const char *ip, int port)
{
#if PJSIP_HAS_TLS_TRANSPORT
    pjsip_tpfactory *factory; pj_sockaddr at; pj_str_t s = pj_str((char*)ip);
    if (transport < 0 || transport >= (int)PJ_ARRAY_SIZE(pjsua_var.tpdata) || !(factory = pjsua_var.tpdata[transport].data.factory)) return -1;
    if ((pjsua_var.tpdata[transport].type & ~PJSIP_TRANSPORT_IPV6) != PJSIP_TRANSPORT_TLS) return -1;
    if (pj_sockaddr_parse(pjsip_transport_type_get_af(factory->type), 0, &s, &at) != PJ_SUCCESS) return -1;
    pj_sockaddr_set_port(&at, (pj_uint16_t)port);
    return pjsip_tls_transport_restart(factory, &at, NULL) == PJ_SUCCESS ? 0 : -1;
#else
    PJ_UNUSED_ARG(transport); PJ_UNUSED_ARG(ip); PJ_UNUSED_ARG(port);
    return -1;
#endif
}
