"""The site's certificate authority, the nodes' certificates, and TLS contexts made of them."""
