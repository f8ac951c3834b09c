package statuspage

// shownMembers bounds the members of a fleet that the page shows.
const shownMembers = 32

// Fleet describes the fleet that the node belongs to.
type Fleet struct {
	Server   string   `json:"server,omitempty"`   // that is connected
	Problem  string   `json:"problem,omitempty"`  // why it does not work
	Identity string   `json:"identity,omitempty"` // that the node shares
	Nodes    int      `json:"nodes"`
	Bans     int      `json:"bans"` // of other members, in force
	Members  []Member `json:"members"`
	Others   int      `json:"others"` // further members
}

// Member is a member of a fleet, as it describes itself.
type Member struct {
	Name     string `json:"name"`
	Self     bool   `json:"self,omitempty"`
	Program  string `json:"program"`
	Role     string `json:"role,omitempty"` // for a shared identity
	ID       string `json:"id,omitempty"`
	Live     int    `json:"live"`
	Sessions int    `json:"sessions"`
	Seconds  int    `json:"seconds"` // since its last heartbeat
}

// bound makes the description fit to be shown, whatever other members say of themselves.
func (f *Fleet) bound() {
	if f == nil {
		return
	}
	if more := len(f.Members) - shownMembers; more > 0 {
		f.Members, f.Others = f.Members[:shownMembers], f.Others+more
	}
	f.Problem = visible(f.Problem)
	for i := range f.Members {
		m := &f.Members[i]
		m.Name, m.Program, m.Role = printable(m.Name), visible(m.Program), printable(m.Role)
		if len(m.Program) > 4*maxName {
			m.Program = printable(m.Program)
		}
		m.Live, m.Sessions = max(m.Live, 0), max(m.Sessions, 0)
	}
}
