"""Which topics and channels exist, and which node consumes what: replicated to every node, owned by none or by one.

``routing`` is the machine; ``catalog`` and ``interest`` are what it knows, ``news`` what it has to tell,
``announce`` and ``exchange`` how it is told, ``barrier`` who has heard it, ``repair`` and ``digest`` what is done
about what was not, ``bootstrap`` how a newcomer begins; ``changes`` is what the broker is told,
``head`` what gossip is.
"""
