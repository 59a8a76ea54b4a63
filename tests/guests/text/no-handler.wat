;; A component that exports nothing a host could call.
(component)
