export declare const FOREIGN_HOST: string;
