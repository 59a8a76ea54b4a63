;; Its start code loops.
(module (func (loop (br 0))) (func (export "_start")) (memory (export "memory") 1) (start 0))
