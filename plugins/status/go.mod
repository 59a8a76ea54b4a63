module plugin.internal/status

go 1.24

require wasmbay v0.0.0

replace wasmbay => ../../sdk/go
