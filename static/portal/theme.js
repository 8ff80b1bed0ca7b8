// Tells the admin's style sheets which theme was chosen, before anything is painted.
document.documentElement.dataset.theme = document.currentScript.dataset.theme;
