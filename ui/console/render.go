package console

import (
	"bytes"
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
)

//go:embed pages
var pages embed.FS

// templates maps names to pages. Each page is the layout with its own main part.
var templates = func() map[string]*template.Template {
	all := map[string]*template.Template{}
	files, err := pages.ReadDir("pages")
	if err != nil {
		panic(err) // they are embedded
	}
	for _, f := range files {
		if name := f.Name(); name != "layout.html" && name != "parts.html" {
			all[name[:len(name)-len(".html")]] = template.Must(template.New("layout.html").Funcs(functions).
				ParseFS(pages, "pages/layout.html", "pages/parts.html", "pages/"+name))
		}
	}
	return all
}()

// frame holds the parts that all pages share.
type frame struct {
	Title     string
	Room      string // its entry in the navigation
	Here      string // its address
	Theme     string
	Operator  string
	Ends      string
	FormToken string
	Flash     *flash
	Warnings  []string // about the settings of the server
	Attention int      // sagas that need attention
	Parked    int
	Notice    string // about unavailable databases
	Partial   bool   // some content of the page could not be read
	Live      bool   // it has a part that the script keeps up to date, which shows the notice itself
	Main      any
}

// show responds with a page. The script that keeps a page up to date gets the live part.
func (v *visit) show(name, room, title string, main any) error {
	return v.showStatus(http.StatusOK, name, room, title, main)
}

func (v *visit) showStatus(status int, name, room, title string, main any) error {
	f := frame{
		Title: title, Room: room, Here: v.request.URL.RequestURI(), Theme: v.console.theme(v.request), FormToken: formToken(v.token),
		Flash: v.flash, Warnings: v.overview.Warnings, Attention: v.overview.needsAttention(), Parked: v.overview.Parked(), Main: main,
		Notice: v.notice(), Partial: v.partial, Live: templates[name].Lookup("live") != nil,
	}
	if v.request.Method == http.MethodPost {
		f.Here = v.request.URL.Path
	}
	subject, ends := v.operator()
	f.Operator, f.Ends = subject, ends.UTC().Format("2 Jan 15:04 UTC")
	if v.request.Header.Get("X-Fragment") != "" && f.Live {
		v.writer.Header().Set("X-Count-Sagas", strconv.Itoa(f.Attention))
		v.writer.Header().Set("X-Count-Parked", strconv.Itoa(f.Parked))
		renderPart(v.writer, status, name, "live", f)
		return nil
	}
	render(v.writer, status, name, f)
	return nil
}

func render(w http.ResponseWriter, status int, name string, data any) {
	renderPart(w, status, name, "layout.html", data)
}

func renderPart(w http.ResponseWriter, status int, name, part string, data any) {
	var b bytes.Buffer
	if err := templates[name].ExecuteTemplate(&b, part, data); err != nil {
		slog.Error("failed to render a console page", "page", name, "error", err)
		http.Error(w, "The page could not be rendered.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser may have gone
}

// fail responds with the page of an error.
func (v *visit) fail(err error) {
	p := problemOf(err)
	switch {
	case p.Status == http.StatusUnauthorized:
		v.console.askToSignIn(v.writer, v.request, whyEnded)
		return
	case p.Status == http.StatusForbidden && p.Code == "forbidden":
		v.console.askToSignIn(v.writer, v.request, whyNoScope)
		return
	case p.Status == http.StatusInternalServerError:
		slog.ErrorContext(v.request.Context(), "console page failed", "path", v.request.URL.Path, "error", err)
	}
	_ = v.showStatus(p.Status, "failure", "", p.Title, p)
}
