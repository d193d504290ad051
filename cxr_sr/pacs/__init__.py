"""A node beside a PACS: receive, super-resolve, send on; and a folder that is watched.

::

    association ──► receive ──► waiting ──► batch loop ──► sending ──► receivers
                       │           │                          │
                       ▼           ▼                          ▼
                    answer       left/                  sent/ or dead/

The queue is a folder on disk. An entry is a folder in it; a state is the folder around
the entry. One rename takes an entry from one state to the next, so that a kill at any
moment leaves every entry in one state.
"""
