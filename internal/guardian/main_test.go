//go:build linux

package guardian_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

const (
	helperVariable = "SHOAL_GUARDIAN_TEST_HELPER"
	watchdog       = time.Minute
	tableSize      = 256 << 10 // bytes of a test's file
	slotSize       = 64
	slots          = tableSize / slotSize
)

func wordOff(slot int) int64 { return int64(slot) * slotSize }
func byteOff(slot int) int64 { return 1<<62 + int64(slot) }

// helpers are what a child of the test binary can do.
func helpers() map[string]func(args []string) error {
	return map[string]func(args []string) error{
		"die":     helpDie,
		"spawn":   helpSpawn,
		"storm":   helpStorm,
		"step":    helpStep,
		"many":    helpMany,
		"watch":   helpWatch,
		"members": helpMembers,
	}
}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperVariable); name != "" {
		if err := helpers()[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, name+":", err)
			os.Exit(1)
		}
		return // a way to end, too
	}
	os.Exit(m.Run())
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// awaitParent waits until the parent says something, or is gone.
func awaitParent() {
	var b [1]byte
	_, _ = os.Stdin.Read(b[:])
}

// helper is a running child.
type helper struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startHelper starts the test binary as helper name; change may alter the command.
func startHelper(tb testing.TB, change func(*exec.Cmd), name string, args ...string) *helper {
	tb.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), helperVariable+"="+name)
	if change != nil {
		change(cmd)
	}
	h := &helper{Cmd: cmd}
	var err error
	if h.in, err = cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	h.out = bufio.NewReader(out)
	if err := cmd.Start(); errors.Is(err, fs.ErrPermission) && cmd.SysProcAttr != nil {
		tb.Skip("not permitted:", err)
	} else if err != nil {
		tb.Fatal(err)
	}
	dog := time.AfterFunc(watchdog, func() { _ = cmd.Process.Kill() })
	tb.Cleanup(func() {
		dog.Stop()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return h
}

// line returns the child's next line.
func (h *helper) line(tb testing.TB) string {
	tb.Helper()
	s, err := h.out.ReadString('\n')
	if err != nil {
		tb.Fatalf("the child said %q and ended: %v", s, err)
	}
	return strings.TrimSuffix(s, "\n")
}

func (h *helper) kill(tb testing.TB) {
	tb.Helper()
	if err := h.Process.Kill(); err != nil {
		tb.Fatal(err)
	}
	_ = h.Wait()
}

// table is a file of slots, mapped.
type table struct {
	file  *os.File
	words mem.Region
}

func openTable(f *os.File) (*table, error) {
	b, err := sys.MapFile(f, tableSize)
	if err != nil {
		return nil, err
	}
	return &table{file: f, words: mem.FromBytes(b)}, nil
}

func newTable(tb testing.TB, dir string) *table {
	tb.Helper()
	f, err := os.OpenFile(dir+"/table", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	return tableOn(tb, f)
}

func tableOn(tb testing.TB, f *os.File) *table {
	tb.Helper()
	tb.Cleanup(func() { _ = f.Close() })
	if err := sys.Allocate(f, 0, tableSize); err != nil {
		tb.Fatal(err)
	}
	tab, err := openTable(f)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		b, err := tab.words.Bytes(0, tableSize)
		if err == nil {
			err = sys.Unmap(b)
		}
		if err != nil {
			tb.Error(err)
		}
	})
	return tab
}

func (tab *table) word(slot int) *satomic.Uint32 {
	w, err := mem.At[satomic.Uint32](tab.words, wordOff(slot))
	if err != nil {
		panic(err)
	}
	return w
}

func (tab *table) join(slot int) (*guardian.Member, error) {
	return guardian.Join(tab.file, wordOff(slot), byteOff(slot))
}

func (tab *table) held(tb testing.TB, slot int) bool {
	tb.Helper()
	held, err := sys.ByteHeld(tab.file, byteOff(slot))
	if err != nil {
		tb.Fatal(err)
	}
	return held
}

// awaitChange waits until a slot's word is not was, and returns it.
func (tab *table) awaitChange(tb testing.TB, slot int, was uint32) uint32 {
	tb.Helper()
	w := tab.word(slot)
	for end := time.Now().Add(watchdog); time.Now().Before(end); {
		if x := w.Load(); x != was {
			return x
		}
		sys.FutexWait(satomic.Ptr(w), was, 250*time.Millisecond)
	}
	tb.Fatalf("the word of slot %d stays %#x", slot, was)
	return 0
}

// awaitFree waits until the byte of a slot is free.
func (tab *table) awaitFree(tb testing.TB, slot int) {
	tb.Helper()
	var never satomic.Uint32
	for end := time.Now().Add(watchdog); tab.held(tb, slot); {
		if time.Now().After(end) {
			tb.Fatalf("the byte of slot %d stays locked", slot)
		}
		sys.FutexWait(satomic.Ptr(&never), 0, time.Millisecond)
	}
}

// joinByName joins the slot args[1] of the table in the file args[0].
func joinByName(args []string) (*table, *guardian.Member, error) {
	f, err := sys.OpenReadWrite(args[0])
	if err != nil {
		return nil, nil, err
	}
	slot, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, nil, err
	}
	tab, err := openTable(f)
	if err != nil {
		return nil, nil, err
	}
	m, err := tab.join(slot)
	return tab, m, errors.Join(err, f.Close())
}

const dead = guardian.OwnerDied | guardian.Waiters
