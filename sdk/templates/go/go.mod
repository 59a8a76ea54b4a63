module plugin.internal/{{name}}

go 1.24
