/** Put in by the build: the package's version. */
declare const __APP_VERSION__: string;
