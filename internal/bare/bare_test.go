package bare_test

import (
	"bytes"
	"runtime"
	"testing"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/bare"
)

func TestStores(t *testing.T) {
	var x uint64
	a, b := uint32(1), uint32(2)
	bare.Store64(&x, 7)
	if x != 7 {
		t.Errorf("Store64 stores %d", x)
	}
	bare.StoreAndClear(&x, 1<<63+5, &a, &b)
	if x != 1<<63+5 || a != 0 || b != 0 {
		t.Errorf("StoreAndClear stores %d, %d and %d", x, a, b)
	}
}

func TestExpect(t *testing.T) {
	b := bytes.Repeat([]byte{5}, 1000)
	bare.Expect(&b[3], 0)
	bare.Expect(&b[3], 997)
	if !bytes.Equal(b, bytes.Repeat([]byte{5}, 1000)) {
		t.Error("bytes have changed")
	}
}

func TestGoroutines(t *testing.T) {
	me := bare.Goroutine()
	if me == 0 {
		t.Skip("no numbers here")
	}
	if again := bare.Goroutine(); again != me {
		t.Errorf("now %x, then %x", me, again)
	}
	other := make(chan uintptr)
	hold := make(chan struct{})
	go func() {
		other <- bare.Goroutine()
		<-hold
	}()
	if x := <-other; x == me || x == 0 {
		t.Errorf("%x and %x are two", me, x)
	}
	close(hold)
	var a, b uint32
	stranger := me + 1
	if bare.Enter(&stranger, &a, &b) != bare.Outside || a != 0 || b != 0 {
		t.Errorf("another one entered: %d, %d", a, b)
	}
	if bare.Enter(&me, &a, &b) != bare.Inside || a != 1 || b != 1 {
		t.Errorf("did not enter: %d, %d", a, b)
	}
	runtime.KeepAlive(&stranger)
}

// TestLost has the owner change while it comes in: saying that it is inside changes
// the word that says who the owner is.
func TestLost(t *testing.T) {
	me := bare.Goroutine()
	if me == 0 {
		t.Skip("no numbers here")
	}
	enter := map[string]func(owner *uintptr, inside *uint32) uint32{
		"Enter": func(owner *uintptr, inside *uint32) uint32 { return bare.Enter(owner, inside, new(uint32)) },
	}
	if bare.Lanes {
		enter["Put"] = func(owner *uintptr, inside *uint32) uint32 { return bare.Put(nil, owner, inside, nil) }
		enter["Get"] = func(owner *uintptr, inside *uint32) uint32 { return bare.Get(nil, owner, inside, nil) }
	}
	for name, enter := range enter {
		owner := me
		inside := (*uint32)(unsafe.Pointer(&owner))
		if in := enter(&owner, inside); in != bare.Lost || *inside != 0 {
			t.Errorf("%s: %d, and inside is %d", name, in, *inside)
		}
	}
}

func TestCopy(t *testing.T) {
	for _, n := range []int{0, 1, 7, 1023, 1024, 1025, 4096, 70001} {
		for _, shift := range []int{0, 1, 9} {
			src := make([]byte, n+shift)
			for i := range src {
				src[i] = byte(i*7 + i>>8)
			}
			dst := make([]byte, n+32)
			if got := bare.Copy(dst[shift:shift+n], src[shift:]); got != n {
				t.Fatalf("copied %d of %d", got, n)
			}
			if !bytes.Equal(dst[shift:shift+n], src[shift:]) {
				t.Fatalf("%d bytes shifted by %d differ", n, shift)
			}
			for i, x := range dst[shift+n:] {
				if x != 0 {
					t.Fatalf("%d bytes shifted by %d: wrote byte %d behind", n, shift, i)
				}
			}
			if got := bare.Copy(dst[:n/2], src); got != n/2 {
				t.Fatalf("copied %d into %d", got, n/2)
			}
		}
	}
}
