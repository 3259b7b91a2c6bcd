"""The sandbox server: login, Partner Center, Graph billing and blob download on 127.0.0.1, from a scenario."""
