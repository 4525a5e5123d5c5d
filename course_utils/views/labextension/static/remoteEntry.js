// A saved widget whose kernel has ended reads "model not found", though its output holds a picture
// or a page, too. This takes the dead reference out of such an output: JupyterLab then shows the
// next best form, and the next save keeps it. Pictures get the alt text that their output holds, of
// which JupyterLab reads the size alone. And on a dark theme the lab's pictures, drawn on white, become
// dark. A link from the book, `...#cell-id=ID`, goes to that cell, as JupyterLab's own do inside a
// notebook. Written by hand; needs no build.
(() => {
  const VIEW = 'application/vnd.jupyter.widget-view+json';
  // As course_utils/views/in_page.py does for widgets. Only the lab's own have a width and a height.
  const DARK = `[data-jp-theme-light="false"] .jp-RenderedImage img[width][height]
    {filter: invert(.93) hue-rotate(180deg)}`;
  const FORMS = ['image/png', 'text/html'];

  // Whether what an output shows is the message of a widget that will never come.
  const isDead = (shown, panel) => {
    const kernel = panel.sessionContext.session?.kernel;
    return shown.textContent === 'Error displaying widget: model not found' ||
      (shown.textContent === 'Loading widget...' && panel.sessionContext.isReady && !kernel);
  };

  // Give an output's picture the alt text of its metadata.
  const describe = (output, model) => {
    const alt = model?.metadata?.['image/png']?.alt;
    const picture = alt && output.node.querySelector('.jp-RenderedImage img:not([alt])');
    if (picture) picture.alt = alt;
  };

  const mend = app => {
    for (const panel of app.shell.widgets('main')) {
      for (const cell of panel.content?.widgets ?? []) {
        const area = cell.outputArea;
        area?.widgets.forEach((output, i) => {
          const model = area.model.get(i);
          const data = model?.data;
          describe(output, model);
          if (!data?.[VIEW] || !FORMS.some(form => data[form])) return;
          const shown = output.node.querySelector('.jp-OutputArea-output');
          if (!shown || !isDead(shown, panel)) return;
          const rest = {...data};
          delete rest[VIEW];
          model.setData({data: rest, metadata: model.metadata});
        });
      }
    }
  };

  // Go to the cell that the page's address names, once its notebook is open.
  const visit = (app, fragment) => {
    if (!fragment.startsWith('#cell-id=')) return;
    const look = setInterval(() => {
      const panel = app.shell.currentWidget;
      if (!panel?.setFragment || !panel.content?.widgets?.length) return;
      clearInterval(look);
      panel.setFragment(fragment);
    }, 200);
    setTimeout(() => clearInterval(look), 120000);
  };

  const plugin = {
    id: 'lab-pictures:plugin',
    autoStart: true,
    activate: app => {
      const style = document.createElement('style');
      style.textContent = DARK;
      document.head.append(style);
      visit(app, window.location.hash);
      let waiting = 0;
      new MutationObserver(() => {
        waiting ||= setTimeout(() => { waiting = 0; mend(app); }, 200);
      }).observe(document.body, {childList: true, subtree: true});
    },
  };

  (window._JUPYTERLAB ??= {})['lab-pictures'] = {
    init: () => {},
    get: async () => () => ({__esModule: true, default: plugin}),
  };
})();
