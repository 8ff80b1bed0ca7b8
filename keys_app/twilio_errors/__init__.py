"""Twilio's errors: what each means, what causes it, what to do, and whose turn it is. One table for every reader.

Plain Python below everything that meets one: the client, what people paste, the pages, mails and the reconciler.
"""
