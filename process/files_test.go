//go:build linux

package process_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
)

// files has files wherever they may be.
type files struct {
	First  *os.File
	Nil    *os.File
	List   []*os.File
	ByName map[string]*os.File
	Deep   struct{ Inner *struct{ F *os.File } }
	Again  *os.File
	Out    *os.File `cbor:"-"`
	Array  [2]*os.File
}

var readFiles = process.Func("readFiles", func(_ context.Context, f files) error {
	all := append([]*os.File{f.First}, f.List...)
	all = append(all, f.ByName["a"], f.ByName["b"], f.Deep.Inner.F, f.Array[0], f.Array[1])
	for _, f := range all {
		content, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		fmt.Printf("%s %s\n", content, f.Name())
	}
	fmt.Print(f.Nil == nil, f.Again == f.First, f.Out == nil)
	return nil
})

// Conformance: PIP-10.
func TestFilesAreInherited(t *testing.T) {
	dir := t.TempDir()
	var want strings.Builder
	n := 0
	file := func() *os.File {
		t.Helper()
		n++
		name := fmt.Sprintf("%s/%d", dir, n)
		if err := os.WriteFile(name, fmt.Appendf(nil, "content %d", n), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&want, "content %d %s\n", n, name)
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	a := files{First: file(), List: []*os.File{file(), file()}, ByName: map[string]*os.File{"a": file(), "b": file()}}
	a.Deep.Inner = &struct{ F *os.File }{file()}
	a.Array = [2]*os.File{file(), file()}
	a.Again = a.First
	a.Out = a.First
	want.WriteString("true true true")
	leaks := noLeaks(t)
	if out := output(t, readFiles.Command(a)); out != want.String() {
		t.Errorf("the child read %s, want %s", out, want.String())
	}
	leaks()
	if _, err := a.First.Stat(); err != nil {
		t.Errorf("the parent's file: %v", err)
	}
}

var answer = process.Func("answer", func(_ context.Context, f *os.File) error {
	ln, err := net.FileListener(f)
	if err != nil {
		return err
	}
	conn, err := ln.Accept()
	if err != nil {
		return err
	}
	_, err = conn.Write([]byte("from the child"))
	return errors.Join(err, conn.Close())
})

func TestListenerIsInherited(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		t.Fatalf("%T", ln)
	}
	f, err := tcp.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	child := start(t, answer.Command(f))
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := io.ReadAll(conn); string(got) != "from the child" {
		t.Errorf("the listener answers %q, %v", got, err)
	}
	if err := child.Wait(deadline(t)); err != nil {
		t.Error(err)
	}
	// The parent's own listener still obeys deadlines: passing it on has not
	// made it a blocking one.
	if err := tcp.SetDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := ln.Accept()
		failed <- err
	}()
	select {
	case err := <-failed:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Accept: %v", err)
		}
	case <-deadline(t).Done():
		t.Error("Accept ignores its deadline")
	}
}
