"""Virtual machines: what they are to be, their life, their consoles and figures, through one driver.

``service`` joins the parts, ``plan`` decides without acting, ``lanes`` runs what may hang, ``driver`` is the contract to
the hypervisor and ``load`` the only place that names one.
"""
