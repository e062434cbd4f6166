package ctl

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shoal-ipc/shoal/internal/sys"
)

// diagnosis is what doctor prints.
type diagnosis struct {
	System     string      `json:"system"` // "linux/amd64"
	Kernel     string      `json:"kernel"`
	Folder     place       `json:"folder"`
	Mechanisms []mechanism `json:"mechanisms"`
	// Deaths is how the death of a process will be noticed: "kernel" (at once) or
	// "polling" (within milliseconds).
	Deaths string `json:"deaths"`
	// Able says whether Shoal runs here at all.
	Able bool `json:"able"`
}

// place is the folder of the segments.
type place struct {
	Dir        string `json:"dir"`
	FileSystem string `json:"file_system"`
	Size       int64  `json:"size"`
	Free       int64  `json:"free"`
	Error      string `json:"error,omitempty"`
}

// mechanism is one thing that a kernel may offer.
type mechanism struct {
	Name      string `json:"name"`
	Available bool   `json:"available"`
	Use       string `json:"use"`     // what Shoal does with it
	Without   string `json:"without"` // what it does where it is missing
}

func (a *app) doctor() *cobra.Command {
	return &cobra.Command{
		Use:               "doctor",
		Short:             "Say what this machine offers, and what Shoal will use of it",
		Args:              usage(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			d := diagnose(sys.Probe(), a.folder())
			if err := a.print(d); err != nil || d.Able {
				return err
			}
			return &exitError{code: ExitProblem}
		},
	}
}

func diagnose(have sys.Features, dir string) diagnosis {
	d := diagnosis{
		System: runtime.GOOS + "/" + runtime.GOARCH,
		Kernel: sys.Kernel(),
		Folder: place{Dir: dir},
		Deaths: "polling",
		Mechanisms: []mechanism{
			{"robust list", have.RobustList, "the kernel marks a process that dies, and wakes another", "the others look every few milliseconds"},
			{"futex_waitv", have.FutexWaitv, "one thread watches the other processes of every segment", "it looks every few milliseconds"},
			{"membarrier", have.Membarrier, "repair begins before a dying process has wholly gone", "repair waits until it has"},
			{"open file locks", have.OFDLocks, "the proof that a process is gone", "none: segments cannot be used"},
			{"memfd", have.Memfd, "anonymous segments", "none: shm.Anonymous fails"},
			{"fault guards", have.Guards, "a segment whose file is truncated is an error", "touching it ends the process"},
			{"unnamed files", have.TmpFile, "a new segment appears complete, or not at all", "the same by a hidden file, which a crash may leave for clean to remove"},
		},
		Able: have.OFDLocks,
	}
	if have.RobustList && have.FutexWaitv {
		d.Deaths = "kernel"
	}
	info, err := sys.FileSystemOf(dir)
	if err != nil {
		d.Folder.Error = err.Error()
		d.Able = false
	}
	d.Folder.FileSystem, d.Folder.Size, d.Folder.Free = info.Name, info.Size, info.Free
	return d
}

func (d diagnosis) text(w *strings.Builder) {
	fmt.Fprintf(w, "system   %s, kernel %s\n", d.System, printable(dash(d.Kernel)))
	if d.Folder.Error != "" {
		fmt.Fprintf(w, "folder   %s: %s\n", d.Folder.Dir, d.Folder.Error)
	} else {
		fmt.Fprintf(w, "folder   %s: %s, %s, %s free\n",
			d.Folder.Dir, d.Folder.FileSystem, bytes(d.Folder.Size), bytes(d.Folder.Free))
	}
	fmt.Fprintf(w, "deaths   noticed by %s\n", map[string]string{
		"kernel":  "the kernel's mark, at once",
		"polling": "polling, within milliseconds",
	}[d.Deaths])
	if d.Able {
		w.WriteString("verdict  Shoal runs here\n\n")
	} else {
		w.WriteString("verdict  Shoal cannot run here\n\n")
	}
	rows := [][]string{{"MECHANISM", "HERE", "WHAT SHOAL DOES"}}
	for _, m := range d.Mechanisms {
		here, does := "yes", m.Use
		if !m.Available {
			here, does = "no", m.Without
		}
		rows = append(rows, []string{m.Name, here, does})
	}
	table(w, rows)
}
