"""The machine's network: links, addresses, and later WAN state and survivability."""
