"""The one process that changes the machine's network: fixed verbs over a Unix socket, each of whose effects ends by itself."""
