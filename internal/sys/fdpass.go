//go:build linux

package sys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// frameHeader is the length of the data, before the data.
const frameHeader = 4

// SendFile sends f and data to the process at the other end of conn, which calls
// ReceiveFile. f stays the caller's. A deadline of conn ends the wait; then, and
// after any other error, a stream may have been left in the middle of a message.
func SendFile(conn *net.UnixConn, f *os.File, data []byte) error {
	if int64(len(data)) > 1<<32-1 {
		return fmt.Errorf("send a descriptor: %w", unix.EMSGSIZE)
	}
	frame := binary.LittleEndian.AppendUint32(make([]byte, 0, frameHeader+len(data)), uint32(len(data)))
	frame = append(frame, data...)
	sent := 0
	err := onDescriptor(f, func(fd int) error {
		n, _, err := conn.WriteMsgUnix(frame, unix.UnixRights(fd), nil)
		sent = n
		return err
	})
	if err == nil && sent < len(frame) {
		_, err = conn.Write(frame[sent:])
	}
	if err != nil {
		return fmt.Errorf("send a descriptor: %w", err)
	}
	return nil
}

// ReceiveFile receives what SendFile sent: at most limit bytes, and a file that
// closes itself on exec. It waits; a deadline of conn ends that. After an error
// no descriptor is left open, but a stream may be in the middle of a message.
func ReceiveFile(conn *net.UnixConn, limit int) (data []byte, f *os.File, err error) {
	in := inbox{conn: conn}
	data, err = in.frame(limit)
	if err == nil && in.file == nil {
		err = errors.New("the message has no descriptor")
	}
	if err != nil {
		if in.file != nil {
			_ = in.file.Close()
		}
		return nil, nil, fmt.Errorf("receive a descriptor: %w", err)
	}
	return data, in.file, nil
}

// inbox reads from conn and keeps the first descriptor that comes.
type inbox struct {
	conn *net.UnixConn
	file *os.File
}

func (in *inbox) frame(limit int) ([]byte, error) {
	kind, err := socketKind(in.conn)
	if err != nil {
		return nil, err
	}
	if kind != unix.SOCK_STREAM {
		return in.packet(limit)
	}
	var header [frameHeader]byte
	if err := in.fill(header[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(header[:])
	if int64(n) > int64(limit) {
		return nil, fmt.Errorf("the message has %d bytes, want at most %d", n, limit)
	}
	data := make([]byte, n)
	return data, in.fill(data)
}

// packet receives from a socket that keeps the borders of messages.
func (in *inbox) packet(limit int) ([]byte, error) {
	b := make([]byte, frameHeader+limit)
	n, err := in.read(b)
	if err != nil {
		return nil, err
	}
	if n < frameHeader {
		return nil, fmt.Errorf("the message has %d bytes, want at least %d", n, frameHeader)
	}
	if want := binary.LittleEndian.Uint32(b); int64(want) != int64(n-frameHeader) {
		return nil, fmt.Errorf("the message has %d bytes, but %d of them came", want, n-frameHeader)
	}
	return b[frameHeader:n], nil
}

func (in *inbox) fill(b []byte) error {
	for len(b) > 0 {
		n, err := in.read(b)
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		b = b[n:]
	}
	return nil
}

// read reads once. Descriptors beyond the first are closed; those that do not
// fit into the buffer, the kernel closes.
func (in *inbox) read(b []byte) (int, error) {
	const most = 16
	oob := make([]byte, unix.CmsgSpace(4*most))
	// The net package asks for descriptors that close themselves on exec.
	n, oobn, _, _, err := in.conn.ReadMsgUnix(b, oob)
	if n == 0 && oobn == 0 && err == nil {
		err = io.ErrUnexpectedEOF
	}
	messages, parseErr := unix.ParseSocketControlMessage(oob[:max(oobn, 0)])
	if err == nil {
		err = parseErr
	}
	for i := range messages {
		fds, rightsErr := unix.ParseUnixRights(&messages[i])
		if rightsErr != nil {
			continue // not descriptors
		}
		for _, fd := range fds {
			if in.file != nil {
				_ = unix.Close(fd)
				continue
			}
			in.file = os.NewFile(uintptr(fd), "received")
		}
	}
	return n, err
}

func socketKind(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var kind int
	var inner error
	err = raw.Control(func(fd uintptr) { kind, inner = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE) })
	return kind, errors.Join(err, inner)
}

// SocketPair returns two stream sockets that are connected to each other, for
// SendFile and ReceiveFile between this process and a child that inherits one.
func SocketPair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}
