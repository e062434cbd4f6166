//go:build linux

package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
)

// about prints what a child finds around it.
var about = process.Func("about", func(_ context.Context, what string) error {
	switch what {
	case "name":
		fmt.Print(process.Name(), " ", os.Args[1:])
	case "comm":
		comm, err := os.ReadFile("/proc/self/comm")
		fmt.Print(string(comm))
		return err
	case "dir":
		dir, err := os.Getwd()
		fmt.Print(dir, " ", os.Getenv("PWD"))
		return err
	case "group":
		fmt.Print(syscall.Getpgrp() == os.Getpid())
	case "stdin":
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	case "stderr":
		_, err := fmt.Fprint(os.Stderr, "to standard error")
		return err
	case "descriptors":
		return listDescriptors()
	default:
		fmt.Print(os.Getenv(what))
	}
	return nil
})

func TestName(t *testing.T) {
	if process.Name() != "" {
		t.Errorf("Name of a process that is no child: %q", process.Name())
	}
	cmd := about.Command("name")
	cmd.Name = "front desk"
	if out := output(t, cmd); out != "front desk []" {
		t.Errorf("a child with a name says %q", out)
	}
	a, b := start(t, nothing.Command(struct{}{})), start(t, nothing.Command(struct{}{}))
	var n, m int
	if _, err := fmt.Sscanf(a.Name()+" "+b.Name(), "nothing-%d nothing-%d", &n, &m); err != nil || m != n+1 {
		t.Errorf("default names are %q and %q", a.Name(), b.Name())
	}
}

func TestCommandName(t *testing.T) {
	want := filepath.Base(os.Args[0])
	if out := strings.TrimSpace(output(t, about.Command("comm"))); !strings.HasPrefix(want, out) || out == "" || out == "exe" {
		t.Errorf("the kernel calls the child %q, want the start of %q", out, want)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("PROCESS_TEST_X", "from the parent")
	inherited := about.Command("PROCESS_TEST_X")
	if out := output(t, inherited); out != "from the parent" {
		t.Errorf("inherited: %q", out)
	}
	own := about.Command("PROCESS_TEST_X")
	own.Env = []string{"PROCESS_TEST_X=own"}
	if out := output(t, own); out != "own" {
		t.Errorf("own: %q", out)
	}
	empty := about.Command("PROCESS_TEST_X")
	empty.Env = []string{}
	if out := output(t, empty); out != "" {
		t.Errorf("an empty environment: %q", out)
	}
	stray := about.Command("SHOAL_CHILD")
	stray.Env = append(os.Environ(), "SHOAL_CHILD=stray")
	if out := output(t, stray); out != "" {
		t.Errorf("Shoal's own variable is seen by the function: %q", out)
	}
}

func roleEnvironment() {
	_, child := os.LookupEnv("SHOAL_CHILD")
	list, _ := os.ReadDir("/proc/self/fd")
	fmt.Println(child, len(list))
}

// spawnOther starts a program that is no child of package process.
var spawnOther = process.Func("spawnOther", func(context.Context, *os.File) error {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=environment")
	cmd.Stdout = os.Stdout
	return cmd.Run()
})

// What a child starts by other means is no child, and inherits nothing.
func TestOtherProgramsInheritNothing(t *testing.T) {
	plain, err := runRole(t, "environment")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if out := output(t, spawnOther.Command(f)); out != plain || !strings.HasPrefix(out, "false ") {
		t.Errorf("a program that a child started sees %q, one that the test started %q", out, plain)
	}
}

func TestDir(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := about.Command("dir")
	cmd.Dir = dir
	if out := output(t, cmd); out != dir+" "+dir {
		t.Errorf("in %s the child is in %s", dir, out)
	}
}

func TestSysProcAttr(t *testing.T) {
	cmd := about.Command("group")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for range 2 { // a Command may be started again
		if out := output(t, cmd); out != "true" {
			t.Errorf("Setpgid: %s", out)
		}
	}
}

func TestStreams(t *testing.T) {
	cmd := about.Command("stdin")
	cmd.Stdin = strings.NewReader("some input")
	if out := output(t, cmd); out != "some input" {
		t.Errorf("a reader as standard input: %q", out)
	}
	name := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(name, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd = about.Command("stdin")
	cmd.Stdin = f
	if out := output(t, cmd); out != "a file" {
		t.Errorf("a file as standard input: %q", out)
	}
	if out := output(t, about.Command("stdin")); out != "" {
		t.Errorf("no standard input: %q", out)
	}
	cmd, stderr := quiet(about.Command("stderr"))
	if out := output(t, cmd); out != "" || stderr.String() != "to standard error" {
		t.Errorf("standard error: %q, %q", out, stderr)
	}
}

// The end of a child does not wait for somebody to type.
func TestInputThatNeverEnds(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	cmd := nothing.Command(struct{}{})
	cmd.Stdin = r
	cmd.Grace = time.Hour
	if err := cmd.Run(deadline(t)); err != nil {
		t.Error(err)
	}
}

var errFull = errors.New("test: no more")

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, errFull }

func TestOutputThatFails(t *testing.T) {
	cmd := about.Command("name")
	cmd.Stdout = fullWriter{}
	if err := cmd.Run(deadline(t)); !errors.Is(err, errFull) {
		t.Errorf("a Stdout that fails: %v", err)
	}
}

// leave starts a program that outlives the child and keeps its output open, and
// writes its id into a file: what comes late through the pipe may be lost.
var leave = process.Func("leave", func(_ context.Context, file string) error {
	cmd := exec.Command("sleep", "1000")
	cmd.Stdout = os.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
})

func TestOutputKeptOpenByOthers(t *testing.T) {
	if _, err := exec.LookPath("sleep"); err != nil {
		t.Skip("no sleep here")
	}
	file := filepath.Join(t.TempDir(), "pid")
	cmd := leave.Command(file)
	cmd.Stdout = new(bytes.Buffer)
	cmd.Grace = 10 * time.Millisecond
	if err := cmd.Run(deadline(t)); err != nil {
		t.Errorf("a child that leaves a program behind: %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// descriptors returns where the descriptors of a list by "about" lead, but for
// those that the runtime opens for itself.
func descriptors(list string) map[int]string {
	m := map[int]string{}
	for line := range strings.Lines(list) {
		var fd int
		var name string
		if _, err := fmt.Sscan(line, &fd, &name); err != nil {
			continue // the directory itself, which is gone again
		}
		if !strings.HasPrefix(name, "anon_inode:") && !strings.HasPrefix(name, "/proc/") && !strings.HasPrefix(name, "/sys/") {
			m[fd] = name
		}
	}
	return m
}

func roleDescriptors() { _ = listDescriptors() }

func listDescriptors() error {
	list, err := os.ReadDir("/proc/self/fd")
	for _, d := range list {
		name, _ := os.Readlink("/proc/self/fd/" + d.Name())
		fmt.Println(d.Name(), name)
	}
	return err
}

// A child has nothing open but what every process has, and the control pipe and
// the call, whatever its parent has open.
func TestDescriptorsOfAChild(t *testing.T) {
	f, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := runRole(t, "descriptors")
	if err != nil {
		t.Fatal(err)
	}
	plain, child := descriptors(list), descriptors(output(t, about.Command("descriptors")))
	if !strings.HasPrefix(child[3], "pipe:") || !strings.Contains(child[4], "shoal-call") {
		t.Errorf("control and call are %q and %q", child[3], child[4])
	}
	for fd, name := range child {
		if fd > 4 && plain[fd] != name {
			t.Errorf("a child has open: %d %s", fd, name)
		}
	}
}

func roleClosedStdio() {
	errs := []error{os.Unsetenv(roleVariable), os.Stdin.Close(), os.Stdout.Close(), os.Stderr.Close()}
	process.Main()
	errs = append(errs, nothing.Run(context.Background(), struct{}{}), about.Command("stderr").Run(context.Background()))
	if err := errors.Join(errs...); err != nil {
		panic(os.WriteFile(os.Getenv("PROCESS_TEST_LOG"), []byte(err.Error()), 0o600))
	}
	os.Exit(7)
}

// A parent whose standard streams are closed has children all the same.
// Conformance: PRC-10.
func TestClosedStreams(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	_, err := runRole(t, "closed-stdio", "PROCESS_TEST_LOG="+log)
	var e *exec.ExitError
	if !errors.As(err, &e) || e.ExitCode() != 7 {
		text, _ := os.ReadFile(log)
		t.Errorf("closed streams: %v, %s", err, text)
	}
}

func roleDeleted() {
	errs := []error{os.Unsetenv(roleVariable), os.Remove(os.Args[0])}
	process.Main()
	errs = append(errs, nothing.Run(context.Background(), struct{}{}))
	fmt.Println(errors.Join(errs...))
}

// An executable that was deleted, or replaced by a newer one, still has
// children of its own kind.
func TestDeletedExecutable(t *testing.T) {
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(path, program, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(deadline(t), path)
	cmd.Env = append(os.Environ(), roleVariable+"=deleted")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "<nil>\n" {
		t.Errorf("a deleted executable: %v, %s", err, out)
	}
}
