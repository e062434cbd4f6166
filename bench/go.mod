module github.com/shoal-ipc/shoal/bench

go 1.26.0

require (
	github.com/gofrs/flock v0.13.1
	github.com/shoal-ipc/shoal v0.0.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/edsrzf/mmap-go v1.2.0 // indirect
	github.com/fxamacker/cbor/v2 v2.10.0 // indirect
	github.com/x448/float16 v0.8.4 // indirect
)

replace github.com/shoal-ipc/shoal => ../
