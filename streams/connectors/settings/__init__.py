"""Settings of the connectors, one file and one struct each.

They stand apart from the connectors because ``streams.config`` reads them: whoever reads a settings file must not pay for importing aiohttp or boto3. A file here imports
nothing but msgspec and its neighbours; a secret is ``env:NAME`` or ``file:PATH``, resolved by the connector with ``streams.config.secret``.
"""
