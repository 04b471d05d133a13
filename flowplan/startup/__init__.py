"""The startup script: the only way to reach the instance, so ports and mounts travel in it.

    marker.py          line 2 of the script, by which flowplan knows its own bids again
    script.py          Inputs and Marker -> the text as sent, at most 10,000 characters
    steps.sh.j2        what the script does on the instance
    bootstrap.sh.j2    what carries the steps when they are too long to be sent as they are

Nothing is imported here: the marker of every live bid is read while planning, the templates only when
a script has to be rendered.
"""
