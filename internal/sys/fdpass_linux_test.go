package sys_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/sys"
	"golang.org/x/sys/unix"
)

// connPair returns the two ends of a socket of a kind.
func connPair(t *testing.T, kind int) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ends := make([]*net.UnixConn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		end, ok := c.(*net.UnixConn)
		if !ok {
			t.Fatalf("a %T", c)
		}
		ends[i] = end
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	return ends[0], ends[1]
}

func TestPassFile(t *testing.T) {
	for name, kind := range map[string]int{"stream": unix.SOCK_STREAM, "packet": unix.SOCK_SEQPACKET, "datagram": unix.SOCK_DGRAM} {
		t.Run(name, func(t *testing.T) {
			a, b := connPair(t, kind)
			f := fileOf(t, 77)
			for _, data := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("abcd"), 10000)} {
				sent := make(chan error, 1)
				go func() { sent <- sys.SendFile(a, f, data) }()
				got, g, err := sys.ReceiveFile(b, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				if err := <-sent; err != nil {
					t.Error(err)
				}
				if !bytes.Equal(got, data) {
					t.Errorf("%d bytes came, %d were sent", len(got), len(data))
				}
				x, errX := sys.Inspect(f)
				y, errY := sys.Inspect(g)
				if x != y || errX != nil || errY != nil {
					t.Errorf("another file came: %+v %v, sent %+v %v", y, errY, x, errX)
				}
				if flags, err := unix.FcntlInt(g.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("descriptor flags %#x, %v; want FD_CLOEXEC", flags, err)
				}
				_ = g.Close()
			}
		})
	}
}

// TestPassFileLong sends more than fits into the socket.
func TestPassFileLong(t *testing.T) {
	a, b := connPair(t, unix.SOCK_STREAM)
	f := fileOf(t, 0)
	data := bytes.Repeat([]byte("0123456789"), 1<<18)
	sent := make(chan error, 1)
	go func() { sent <- sys.SendFile(a, f, data) }()
	got, g, err := sys.ReceiveFile(b, len(data))
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes came, %v", len(got), err)
	}
	_ = g.Close()
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestReceiveFileRefuses(t *testing.T) {
	f := fileOf(t, 0)
	rights := func(n int) []byte {
		fds := make([]int, n)
		for i := range fds {
			fds[i] = int(f.Fd())
		}
		return unix.UnixRights(fds...)
	}
	cases := []struct {
		name      string
		bytes     string
		oob       []byte
		wantError string // "" if it is received
	}{
		{"no descriptor", "\x01\x00\x00\x00x", nil, "no descriptor"},
		{"surplus descriptors", "\x01\x00\x00\x00x", rights(5), ""},
		{"a hundred descriptors", "\x01\x00\x00\x00x", rights(100), ""},
		{"too long", "\xff\xff\xff\xffx", rights(1), "want at most"},
		{"cut short", "\x05\x00\x00\x00x", rights(3), ""},
		{"cut in the header", "\x05\x00", rights(3), ""},
		{"nothing", "", nil, ""},
	}
	for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_SEQPACKET} {
		for _, c := range cases {
			a, b := connPair(t, kind)
			before := openDescriptors(t)
			if c.bytes != "" {
				if _, _, err := a.WriteMsgUnix([]byte(c.bytes), c.oob, nil); err != nil {
					t.Fatal(err)
				}
			}
			_ = a.Close()
			before--
			data, g, err := sys.ReceiveFile(b, 100)
			short := strings.HasPrefix(c.name, "cut") || c.name == "nothing"
			switch {
			case short && err == nil:
				t.Errorf("%s: received %q", c.name, data)
			case !short && c.wantError == "" && (err != nil || string(data) != "x"):
				t.Errorf("%s: %q, %v", c.name, data, err)
			case c.wantError != "" && kind == unix.SOCK_STREAM && (err == nil || !strings.Contains(err.Error(), c.wantError)):
				t.Errorf("%s: %v, want %q", c.name, err, c.wantError)
			case c.wantError != "" && err == nil:
				t.Errorf("%s: received %q", c.name, data)
			}
			if g != nil {
				_ = g.Close()
			}
			if after := openDescriptors(t); after != before {
				t.Errorf("%s: %d descriptors left, want %d", c.name, after, before)
			}
		}
	}
}

func TestPassFileDeadline(t *testing.T) {
	_, b := connPair(t, unix.SOCK_STREAM)
	if err := b.SetDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := sys.ReceiveFile(b, 1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, want os.ErrDeadlineExceeded", err)
	}
	a, _ := connPair(t, unix.SOCK_STREAM)
	f := fileOf(t, 0)
	_ = f.Close()
	if err := sys.SendFile(a, f, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("sending a closed file: %v, want os.ErrClosed", err)
	}
}
