"""A local telephone carrier that speaks Twilio's REST API and webhooks, with phones that are scripts or
people.

It is a program of its own: it imports nothing of the service, and the service reaches it over HTTP only.
"""
