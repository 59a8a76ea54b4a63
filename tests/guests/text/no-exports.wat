;; A core module that is neither a handler nor a command.
(module)
