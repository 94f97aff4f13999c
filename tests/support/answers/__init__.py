"""Whole answers of the running service, judged by code: what is named, claimed, counted and done.

questions   what is asked, of which invented listener, and what a good answer holds
catalogue   the sandbox's whole catalogue by address and by name
truth       what is true of one listener, from Spotify's raw answers
named       the items that the words of an answer name
asked       one answer as it came over the wire
promises    what Lyra answers for, whatever the model says
judge       what the answer is worth: PASS, PARTIAL or FAIL, with the reasons
models      the models of the sandbox that are asked
runner      asks the questions of a running service
report      the verdicts as tables
"""
