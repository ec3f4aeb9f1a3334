"""Mail in: aiosmtpd subclassed for speed and strictness."""
