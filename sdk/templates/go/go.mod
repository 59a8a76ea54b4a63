module plugin.internal/{{name}}

go 1.24

require wasmbay v0.0.0

replace wasmbay => ./wasmbay
