"""The methods that clients use (RFC 9110 section 9, RFC 5789), as they come and as text.

So the usual ones need neither be checked nor decoded.
"""

METHODS = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
}
