"""Who is in the mesh: SWIM with Lifeguard and repair, sans-IO. The machine is in ``membership``."""
