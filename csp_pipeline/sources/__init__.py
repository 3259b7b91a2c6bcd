"""How bytes and rows arrive: the inbox, the commercial terms, later Partner Center and Microsoft Graph."""
