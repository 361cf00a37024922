"""Where phones ask: TFTP, HTTP and SIP plug and play."""
