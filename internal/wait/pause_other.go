//go:build !amd64 && !arm64

package wait

// pause spends a short time, n (at least 1) times.
//
//go:noinline
func pause(n uint32) {
	for range n { //nolint:revive // the loop is what takes time
	}
}
